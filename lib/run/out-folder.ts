/**
 * An output folder that exists only once it is whole.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { type FileLock, lockFile } from '../core/file-lock.ts';
import { exists, replaceFile } from '../core/files.ts';
import { toJson } from '../core/json.ts';
import { tokenizerFiles } from '../model/tokenizer-files.ts';
import { markerName, requireNoInput, requireReplaceable } from './replaceable-folder.ts';

export interface OutFolderOptions {
  /** Replaces a folder that an earlier run made. */
  overwrite?: boolean;
  /** Files and folders that the run reads: none of them may lie in a folder that is replaced. */
  inputs?: readonly string[];
}

/**
 * Files are gathered in `<path>.partial`, which `publish` renames to `path`. While a run writes there it holds a lock that the
 * kernel releases when the process ends, however it ends.
 */
export class OutFolder {
  readonly path: string;
  /** Where files are written until then. */
  readonly staging: string;
  readonly #lock: FileLock;
  readonly #options: Required<OutFolderOptions>;
  readonly #logs: number[] = [];

  private constructor(path: string, lock: FileLock, options: Required<OutFolderOptions>) {
    this.#options = options;
    this.path = path;
    this.staging = stagingOf(path);
    this.#lock = lock;
  }

  /**
   * Checks that the folder can be written and replaced in the end, and makes the staging folder. What a run that was cut off left
   * there is removed; a model that it had finished only with `overwrite`.
   *
   * @throws SoulError SOUL_EXISTS when `path` is there and `overwrite` is not set, or when it or the staging folder is not of
   *   this package's making; SOUL_BUSY when another run writes there; SOUL_INVALID_ARGUMENT for a place that cannot be
   *   replaced; SOUL_FILE_SYSTEM
   */
  static async create(path: string, options: OutFolderOptions = {}): Promise<OutFolder> {
    const { overwrite = false, inputs = [] } = options;
    try {
      const place = await placeOf(path);
      await requireFree(place, { overwrite, inputs });
      await mkdir(dirname(place), { recursive: true });
      return new OutFolder(place, await claim(stagingOf(place), { overwrite, inputs }), { overwrite, inputs });
    } catch (error) {
      throw asSoulError(error);
    }
  }

  /**
   * Checks that the disk has room for what is to be written.
   *
   * @throws SoulError SOUL_FILE_SYSTEM
   */
  async requireSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.staging);
    const free = bavail * bsize;
    if (free >= bytes) return;
    throw new SoulError(
      'SOUL_FILE_SYSTEM',
      `the model takes ${bytes} bytes, but ${free} are free at ${dirname(this.path)}; free some, or name another output`,
      { path: this.path, expected: bytes, found: free },
    );
  }

  /** Opens a file of JSON lines; what is appended can be watched in the staging folder while the run goes on. */
  openLog(name: string): (record: object) => void {
    const file = openSync(join(this.staging, name), 'a');
    this.#logs.push(file);
    return (record) => void writeSync(file, `${JSON.stringify(record)}\n`);
  }

  async writeJson(name: string, content: object): Promise<void> {
    await replaceFile(join(this.staging, name), toJson(content));
  }

  /**
   * Moves the finished folder to its place, which is looked at again; a folder that was there goes only when the new one stands.
   *
   * @throws SoulError SOUL_EXISTS, SOUL_FILE_SYSTEM; all that was written is then in the staging folder
   */
  async publish(): Promise<void> {
    this.#closeLogs();
    try {
      // Hours may have passed.
      await requireFree(this.path, this.#options);
      const before = (await exists(this.path)) ? await moveAside(this.path) : undefined;
      try {
        await rename(this.staging, this.path);
      } catch (error) {
        if (before !== undefined) await rename(before, this.path);
        throw error;
      }
      // It stands: what is left over of the way there is no failure.
      this.#lock.release();
      await rm(join(this.path, markerName), { force: true }).catch(() => {});
      if (before !== undefined) await removeReplaced(before).catch(() => {});
    } catch (error) {
      throw asSoulError(error);
    }
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    this.#closeLogs();
    try {
      await rm(this.staging, { recursive: true, force: true });
    } finally {
      this.#lock.release();
    }
  }

  /** Leaves what was written in the staging folder, for whoever wants to look; the next run may remove it. */
  leave(): void {
    this.#closeLogs();
    this.#lock.release();
  }

  #closeLogs(): void {
    for (const file of this.#logs.splice(0)) closeSync(file);
  }
}

function stagingOf(path: string): string {
  return `${path}.partial`;
}

/** Nothing is at the place, or what may be replaced. */
async function requireFree(place: string, { overwrite, inputs }: Required<OutFolderOptions>): Promise<void> {
  if (!(await exists(place))) return;
  if (!overwrite) {
    throw new SoulError(
      'SOUL_EXISTS',
      `the output ${place} already exists; name another, or replace it (--overwrite)`,
      { path: place },
    );
  }
  await requireReplaceable(place, inputs);
}

/** What somebody put into it at the last moment stays, under the name that it was moved to. */
async function removeReplaced(aside: string): Promise<void> {
  await requireReplaceable(aside, []);
  await rm(aside, { recursive: true });
}

/** The folder's own place, without links on the way to it. */
async function placeOf(path: string): Promise<string> {
  const place = resolve(path);
  if (basename(place) === '') {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${place} cannot be an output; name a folder in it`, { path: place });
  }
  const found = await lstat(place).catch(() => undefined);
  if (await exists(place)) return realpath(place);
  if (!found?.isSymbolicLink()) {
    const above = await realpath(dirname(place)).catch(() => dirname(place));
    return join(above, basename(place));
  }
  throw new SoulError('SOUL_EXISTS', `${place} is a link that leads nowhere; remove it, or name another output`, {
    path: place,
  });
}

/** Makes the staging folder and locks it; it is there under its name only once it is locked. */
async function claim(staging: string, options: Required<OutFolderOptions>): Promise<FileLock> {
  // Not mkdtemp, which keeps others out: this is the folder that will be published.
  const fresh = `${staging}-${randomUUID()}`;
  await mkdir(fresh);
  let lock: FileLock | undefined;
  try {
    lock = lockFile(join(fresh, markerName));
    await removeLeftovers(staging, options);
    await rename(fresh, staging).catch(async (error: NodeJS.ErrnoException) => {
      // Another run was quicker.
      if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')
        await removeLeftovers(staging, { ...options, overwrite: false });
      throw error;
    });
    return lock;
  } catch (error) {
    lock?.release();
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

/** What a run may have written there when it was cut off, beside the tokenizer's files. */
const stagedFile =
  /^(\.soul-run\.json|run\.json|metrics\.jsonl|config\.json|generation_config\.json|model.*\.safetensors(\.index\.json)?|.*\.tmp)$/;

/** Removes what a run that was cut off left; nothing that anybody else made, and nothing that a run still writes. */
async function removeLeftovers(staging: string, { overwrite, inputs }: Required<OutFolderOptions>): Promise<void> {
  if (!(await exists(staging))) return;
  await requireNoInput(staging, inputs);
  const marker = join(staging, markerName);
  if (!(await exists(marker))) {
    throw new SoulError(
      'SOUL_EXISTS',
      `${staging} is in the way: the run gathers its files there, but it was not made by a run; move it, or name another output`,
      { path: staging },
    );
  }
  const lock = lockFile(marker);
  try {
    const names = await readdir(staging);
    const foreign = names.find((name) => !stagedFile.test(name) && !tokenizerFiles.includes(name));
    if (foreign !== undefined) {
      throw new SoulError(
        'SOUL_EXISTS',
        `${staging} holds ${foreign}, which no run wrote; move it, or name another output`,
        {
          path: staging,
        },
      );
    }
    const finished = names.find((name) => /^model.*\.safetensors$/.test(name));
    if (finished !== undefined && !overwrite) {
      throw new SoulError(
        'SOUL_EXISTS',
        `${staging} holds a model that an earlier run had finished when it was cut off (${finished}); move it, or let it be replaced (--overwrite)`,
        { path: staging },
      );
    }
    await rm(staging, { recursive: true });
  } finally {
    lock.release();
  }
}

/** Gives what stands at `path` a name that nobody else has. */
async function moveAside(path: string): Promise<string> {
  const aside = await mkdtemp(`${path}.replaced-`);
  try {
    await rename(path, aside);
  } catch (error) {
    await rmdir(aside);
    throw error;
  }
  return aside;
}
