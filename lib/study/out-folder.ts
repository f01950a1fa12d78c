/**
 * An output folder that exists only once it is whole.
 *
 * @module
 */

import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { SoulError } from '../core/errors.ts';

/** Files are gathered in `<path>.partial`, which `publish` renames to `path`. */
export class OutFolder {
  readonly path: string;
  /** Where files are written until then. */
  readonly staging: string;
  readonly #overwrite: boolean;
  readonly #logs: WriteStream[] = [];

  private constructor(path: string, overwrite: boolean) {
    this.path = path;
    this.staging = `${path}.partial`;
    this.#overwrite = overwrite;
  }

  /**
   * Checks that the folder may be written and makes the staging folder; leftovers of a run that was cut off are removed.
   *
   * @throws SoulError SOUL_EXISTS when `path` is there and `overwrite` is not set
   */
  static async create(path: string, options: { overwrite?: boolean } = {}): Promise<OutFolder> {
    const folder = new OutFolder(resolve(path), options.overwrite ?? false);
    if (!folder.#overwrite && (await exists(folder.path))) {
      throw new SoulError(
        'SOUL_EXISTS',
        `the output ${folder.path} already exists; name another, or pass --overwrite`,
        {
          path: folder.path,
        },
      );
    }
    await mkdir(dirname(folder.path), { recursive: true });
    await rm(folder.staging, { recursive: true, force: true });
    await mkdir(folder.staging);
    return folder;
  }

  /** Opens a file of JSON lines; what is appended can be watched in the staging folder while the run goes on. */
  openLog(name: string): (record: object) => void {
    const stream = createWriteStream(join(this.staging, name));
    this.#logs.push(stream);
    return (record) => void stream.write(`${JSON.stringify(record)}\n`);
  }

  async writeJson(name: string, content: object): Promise<void> {
    await writeFile(join(this.staging, name), `${JSON.stringify(content, jsonValue, 2)}\n`);
  }

  /** Moves the finished folder to its place. */
  async publish(): Promise<void> {
    await this.#closeLogs();
    if (this.#overwrite) await rm(this.path, { recursive: true, force: true });
    await rename(this.staging, this.path);
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    await this.#closeLogs();
    await rm(this.staging, { recursive: true, force: true });
  }

  async #closeLogs(): Promise<void> {
    await Promise.all(
      this.#logs.splice(0).map((stream) => {
        stream.end();
        return finished(stream);
      }),
    );
  }
}

/** Bigints (seeds) have no form of their own in JSON and are written as decimal strings. */
export function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
