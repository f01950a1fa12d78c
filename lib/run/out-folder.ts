/**
 * An output folder that exists only once it is whole.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { exists, replaceFile } from '../core/files.ts';
import { toJson } from '../core/json.ts';

/** Files are gathered in `<path>.partial`, which `publish` renames to `path`. */
export class OutFolder {
  readonly path: string;
  /** Where files are written until then. */
  readonly staging: string;
  readonly #overwrite: boolean;
  readonly #logs: number[] = [];

  private constructor(path: string, overwrite: boolean) {
    this.path = path;
    this.staging = `${path}.partial`;
    this.#overwrite = overwrite;
  }

  /**
   * Checks that the folder may be written and makes the staging folder; leftovers of a run that was cut off are removed.
   *
   * @throws SoulError SOUL_EXISTS when `path` is there and `overwrite` is not set, or when it was not made by a run
   */
  static async create(path: string, options: { overwrite?: boolean } = {}): Promise<OutFolder> {
    const folder = new OutFolder(resolve(path), options.overwrite ?? false);
    if (await exists(folder.path)) {
      if (!folder.#overwrite) {
        throw new SoulError(
          'SOUL_EXISTS',
          `the output ${folder.path} already exists; name another, or pass --overwrite`,
          { path: folder.path },
        );
      }
      await requireReplaceable(folder.path);
    }
    await mkdir(dirname(folder.path), { recursive: true });
    await rm(folder.staging, { recursive: true, force: true });
    await mkdir(folder.staging);
    return folder;
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

  /** Moves the finished folder to its place; one that was there goes only when the new one stands. */
  async publish(): Promise<void> {
    this.closeLogs();
    const replaced = `${this.path}.replaced`;
    await rm(replaced, { recursive: true, force: true });
    const before = await exists(this.path);
    if (before) await rename(this.path, replaced);
    await rename(this.staging, this.path);
    if (before) await rm(replaced, { recursive: true, force: true });
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    this.closeLogs();
    await rm(this.staging, { recursive: true, force: true });
  }

  /** Ends the logs; what they hold stays in the staging folder. */
  closeLogs(): void {
    for (const file of this.#logs.splice(0)) closeSync(file);
  }
}

/** Only a folder that a run made (or an empty one) may be replaced: a mistyped path must not cost anybody's files. */
async function requireReplaceable(path: string): Promise<void> {
  const names = (await stat(path)).isDirectory() ? await readdir(path) : ['a file'];
  if (names.length === 0 || names.includes('run.json')) return;
  throw new SoulError(
    'SOUL_EXISTS',
    `${path} is not replaced: it holds no run.json, so it was not made by soul; name another output`,
    { path },
  );
}
