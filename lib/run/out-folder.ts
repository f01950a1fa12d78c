/**
 * An output folder that exists only once it is whole.
 *
 * @module
 */

import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, rmdir, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import type { FileLock } from '../core/file-lock.ts';
import { exists, freeBytes, makeFolders, replaceFile } from '../core/files.ts';
import { flush } from '../core/flushed-files.ts';
import { toJson } from '../core/json.ts';
import { tokenizerFiles } from '../model/tokenizer-files.ts';
import { tidyPublished } from './published-folder.ts';
import { requireReplaceable } from './replaceable-folder.ts';
import { checkpointsName, markerName } from './run-files.ts';
import { type Claim, claim, isModelFile, placeOf, stagingOf } from './staging-folder.ts';

export interface OutFolderOptions {
  /** Replaces a folder that an earlier run made. */
  overwrite?: boolean;
  /** Files and folders that the run reads: none of them may lie in a folder that is replaced. */
  inputs?: readonly string[];
  /** Takes up what a run that was cut off left in the staging folder. */
  resume?: boolean;
}

/**
 * Files are gathered in `<path>.partial`, which `publish` renames to `path`. While a run writes there it holds a lock that the
 * kernel releases when the process ends, however it ends.
 */
export class OutFolder {
  readonly path: string;
  /** Where files are written until then. */
  readonly staging: string;
  /** Whether the staging folder is an earlier run's. */
  readonly isResumed: boolean;
  readonly #lock: FileLock;
  readonly #options: Required<OutFolderOptions>;
  readonly #logs = new Map<string, number>();
  /** Of an earlier process, with their lengths. */
  #earlierLogs: Readonly<Record<string, number>> = {};

  private constructor(path: string, { lock, isResumed }: Claim, options: Required<OutFolderOptions>) {
    this.#options = options;
    this.isResumed = isResumed;
    this.path = path;
    this.staging = stagingOf(path);
    this.#lock = lock;
  }

  /**
   * Checks that the folder can be written and replaced in the end, and makes the staging folder. What a run that was cut off left
   * there is removed, a model that it had finished and checkpoints only with `overwrite`; with `resume` it all stays, but for what a
   * run that was killed right after it had published its folder was about to remove.
   *
   * @throws SoulError SOUL_EXISTS when `path` is there and `overwrite` is not set, or when it or the staging folder is not of
   *   this package's making; SOUL_BUSY when another run writes there; SOUL_INVALID_ARGUMENT for a place that cannot be
   *   replaced; SOUL_FILE_SYSTEM
   */
  static async create(path: string, options: OutFolderOptions = {}): Promise<OutFolder> {
    const { overwrite = false, inputs = [], resume = false } = options;
    const complete = { overwrite, inputs, resume };
    try {
      const place = await placeOf(path);
      if (resume && !(await exists(stagingOf(place)))) await tidyPublished(place);
      await requireFree(place, complete);
      await makeFolders(dirname(place));
      return new OutFolder(place, await claim(stagingOf(place), complete), complete);
    } catch (error) {
      throw withPlaceAdvice(asSoulError(error));
    }
  }

  /**
   * Checks that the disk has room for what is to be written.
   *
   * @returns the bytes that are free
   * @throws SoulError SOUL_FILE_SYSTEM
   */
  async requireSpace(bytes: number): Promise<number> {
    const free = await freeBytes(this.staging);
    if (free >= bytes) return free;
    throw new SoulError(
      'SOUL_FILE_SYSTEM',
      `the model takes ${bytes} bytes, but ${free} are free at ${dirname(this.path)}; free some, or name another output`,
      { path: this.path, expected: bytes, found: free },
    );
  }

  /** Opens a file of JSON lines; what is appended can be watched in the staging folder while the run goes on. */
  openLog(name: string): (record: object) => void {
    const file = this.#logs.get(name) ?? openSync(join(this.staging, name), 'a');
    this.#logs.set(name, file);
    return (record) => void writeSync(file, `${JSON.stringify(record)}\n`);
  }

  async writeText(name: string, text: string): Promise<void> {
    await replaceFile(join(this.staging, name), text);
  }

  /** Flushes the logs to the disk and says how long each is, in bytes. */
  flushLogs(): Record<string, number> {
    const open = [...this.#logs].map(([name, file]) => {
      fsyncSync(file);
      return [name, fstatSync(file).size];
    });
    return { ...this.#earlierLogs, ...Object.fromEntries(open) };
  }

  /**
   * Goes back to where logs had these lengths: what was appended since is cut off, and all else that an earlier run wrote, but for its
   * checkpoints, is removed.
   *
   * @param lengths as {@link flushLogs} gave them
   * @throws SoulError SOUL_BAD_FILE where a log is shorter
   */
  async goBack(lengths: Readonly<Record<string, number>>): Promise<void> {
    for (const name of await readdir(this.staging)) {
      if (name === markerName || name === checkpointsName) continue;
      const length = lengths[name];
      if (length === undefined) await rm(join(this.staging, name), { recursive: true, force: true });
    }
    for (const [name, length] of Object.entries(lengths)) {
      const path = join(this.staging, name);
      const size = (await stat(path).catch(() => undefined))?.size ?? 0;
      if (size < length) {
        throw new SoulError(
          'SOUL_BAD_FILE',
          `${path} has ${size} bytes, fewer than the ${length} that it had when the checkpoint was written; begin anew (--overwrite, without --resume)`,
          { path },
        );
      }
      await truncate(path, length);
    }
    this.#earlierLogs = lengths;
  }

  /** Flushes all files to the disk. */
  async flushFiles(): Promise<void> {
    for (const entry of await readdir(this.staging, { withFileTypes: true })) {
      if (entry.isFile()) await flush(join(this.staging, entry.name));
    }
    await flush(this.staging);
  }

  /** Removes what was written of a model, so that it can be written again. */
  async removeModel(): Promise<void> {
    const names = await readdir(this.staging);
    const own = names.filter((name) => isModelFile(name) || tokenizerFiles.includes(name));
    for (const name of own) await rm(join(this.staging, name), { force: true });
  }

  async writeJson(name: string, content: object): Promise<void> {
    await this.writeText(name, toJson(content));
  }

  /** Removes a file that it wrote; nothing where there is none. */
  async remove(name: string): Promise<void> {
    await rm(join(this.staging, name), { force: true });
  }

  /**
   * Moves the finished folder to its place, which is looked at again; a folder that was there goes only when the new one stands.
   *
   * @param temporary names in it of what goes as soon as it stands
   * @throws SoulError SOUL_EXISTS, SOUL_FILE_SYSTEM; all that was written is then in the staging folder
   */
  async publish(temporary: readonly string[] = []): Promise<void> {
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
      for (const name of temporary) await rm(join(this.path, name), { recursive: true, force: true }).catch(() => {});
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
    for (const file of this.#logs.values()) closeSync(file);
    this.#logs.clear();
  }
}

/** Nothing is at the place, or what may be replaced. */
async function requireFree(place: string, { overwrite, inputs, resume }: Required<OutFolderOptions>): Promise<void> {
  if (!(await exists(place))) return;
  if (!overwrite) {
    const done = resume && !(await exists(stagingOf(place)));
    const what = done ? ', and no run to it is left to go on with' : '';
    throw new SoulError(
      'SOUL_EXISTS',
      `the output ${place} already exists${what}; name another, or replace it (--overwrite)`,
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

/** The error of a place where nothing can be written, with what to do about it. */
function withPlaceAdvice(error: unknown): unknown {
  const { systemCode } = (error as SoulError | undefined)?.details ?? {};
  if (!(error instanceof SoulError) || !['EROFS', 'EACCES', 'EPERM', 'ENOSPC'].includes(String(systemCode)))
    return error;
  const advice = systemCode === 'ENOSPC' ? 'free some' : 'see that files may be written there';
  return new SoulError(error.code, `${error.message}; ${advice}, or name another output (--out)`, error.details, {
    cause: error,
  });
}
