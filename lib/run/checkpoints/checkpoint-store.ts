/**
 * The checkpoints of a run, one after another in a folder, of which the last few are kept.
 *
 * @module
 */

import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asSoulError, SoulError } from '../../core/errors.ts';
import { freeBytes } from '../../core/files.ts';
import { flush } from '../../core/flushed-files.ts';
import {
  type CheckpointContent,
  readCheckpointFolder,
  type StoredCheckpoint,
  unfinishedSuffix,
  writeCheckpointFolder,
} from './checkpoint-folder.ts';

/** Steps of the run so far, and its place among all checkpoints of the run. */
const checkpointName = /^step-(\d+)-(\d+)$/;

export interface Retention {
  /** How many stay, at least 1, a new one among them. */
  readonly keep: number;
  /** One that stays beside them. */
  readonly pinned?: string | undefined;
}

export class CheckpointStore {
  readonly folder: string;
  /** Those that may be gone back to, oldest first. */
  readonly #names: string[];
  /** Found damaged: removed when there is a new one. */
  readonly #damaged: string[] = [];
  #last: number;

  private constructor(folder: string, names: string[]) {
    this.folder = folder;
    this.#names = names;
    this.#last = numberOf(names.at(-1));
  }

  /**
   * Of a folder that is there, or is made with the first checkpoint.
   *
   * @param options.tidy removes what is unfinished there; of a run that may be going on it must stay. Default true
   */
  static async open(folder: string, { tidy = true }: { tidy?: boolean } = {}): Promise<CheckpointStore> {
    return new CheckpointStore(folder, await checkpointsIn(folder, tidy));
  }

  /** The path of the newest; undefined where there is none. */
  get newest(): string | undefined {
    const name = this.#names.at(-1);
    return name === undefined ? undefined : join(this.folder, name);
  }

  get size(): number {
    return this.#names.length;
  }

  /**
   * The newest that is whole; undefined where there never was one.
   *
   * @param onDamaged told of each that was passed over
   * @throws SoulError SOUL_BAD_FILE where there are some and none is whole; SOUL_UNSUPPORTED of {@link readCheckpointFolder}
   */
  async newestWhole(
    onDamaged: (error: SoulError) => void,
    options?: { readonly contentOnly?: boolean },
  ): Promise<StoredCheckpoint | undefined> {
    const problems: SoulError[] = [];
    for (let name = this.#names.at(-1); name !== undefined; name = this.#names.at(-1)) {
      try {
        return await readCheckpointFolder(join(this.folder, name), options);
      } catch (error) {
        if (!(error instanceof SoulError) || error.code !== 'SOUL_BAD_FILE') throw error;
        problems.push(error);
        this.#damaged.push(this.#names.pop()!);
        onDamaged(error);
      }
    }
    if (problems.length === 0) return undefined;
    throw new SoulError(
      'SOUL_BAD_FILE',
      `no checkpoint in ${this.folder} is whole: ${problems.map(({ message }) => message).join('; ')}; begin anew (--overwrite, without --resume)`,
      { path: this.folder },
    );
  }

  /** What the next checkpoint will be called, after so many steps. */
  nextName(steps: number): string {
    return `step-${String(steps).padStart(8, '0')}-${String(this.#last + 1).padStart(6, '0')}`;
  }

  /**
   * Reads one that was kept.
   *
   * @throws SoulError of {@link readCheckpointFolder}
   */
  read(name: string): Promise<StoredCheckpoint> {
    return readCheckpointFolder(join(this.folder, name));
  }

  /**
   * Writes a checkpoint; when it is whole, those before it go but for as many as are kept. Where the disk is full, the oldest go
   * before, as long as there are two.
   *
   * @returns its name
   * @throws SoulError SOUL_FILE_SYSTEM; those before it are as they were
   */
  async write(steps: number, content: CheckpointContent, { keep, pinned }: Retention): Promise<string> {
    const name = this.nextName(steps);
    for (;;) {
      try {
        await this.#makeFolder();
        await writeCheckpointFolder(join(this.folder, name), content);
        break;
      } catch (error) {
        const known = asSoulError(error) as SoulError;
        const oldest = this.#names.slice(0, -1).find((each) => each !== pinned);
        if (known.details?.systemCode !== 'ENOSPC' || oldest === undefined) throw await this.#unwritten(steps, known);
        await this.#remove(oldest);
      }
    }
    this.#last += 1;
    this.#names.push(name);
    // The checkpoint is safe.
    await this.tidy({ keep, pinned });
    return name;
  }

  /** Removes what is damaged, and all but the last so many and the pinned one, as far as it can. */
  async tidy({ keep, pinned }: Retention): Promise<void> {
    for (const each of this.#damaged.splice(0)) await removeFolder(join(this.folder, each)).catch(() => {});
    const spare = this.#names.slice(0, -keep).filter((each) => each !== pinned);
    for (const each of spare) await this.#remove(each).catch(() => {});
  }

  /** Removes all but the newest, and the pinned one; gives how many went. */
  async shrink(pinned: string | undefined): Promise<number> {
    const spare = this.#names.slice(0, -1).filter((each) => each !== pinned);
    for (const each of spare) await this.#remove(each);
    return spare.length;
  }

  async #remove(name: string): Promise<void> {
    this.#names.splice(this.#names.indexOf(name), 1);
    await removeFolder(join(this.folder, name));
  }

  async #makeFolder(): Promise<void> {
    if ((await stat(this.folder).catch(() => undefined)) !== undefined) return;
    await mkdir(this.folder);
    await flush(dirname(this.folder));
  }

  async #unwritten(steps: number, error: SoulError): Promise<SoulError> {
    const free = await freeBytes(this.folder).catch(() => undefined);
    const space = free === undefined ? '' : `; ${free} bytes are free at ${this.folder}`;
    return new SoulError(
      error.code ?? 'SOUL_INTERNAL',
      `the checkpoint after ${steps} steps could not be written: ${error.message}${space}`,
      { ...error.details, checkpoint: true },
      { cause: error },
    );
  }
}

/** The names of the checkpoints in a folder, oldest first. */
async function checkpointsIn(folder: string, tidy: boolean): Promise<string[]> {
  const found = await readdir(folder).catch(() => []);
  for (const name of found) {
    if (tidy && name.endsWith(unfinishedSuffix))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
  return found.filter((name) => checkpointName.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
}

/** Whether a folder holds a checkpoint that steps went into. */
export async function holdsCheckpoints(folder: string): Promise<boolean> {
  const found = await readdir(folder).catch(() => []);
  for (const name of found.filter((each) => checkpointName.test(each))) {
    if ((await stat(join(folder, name, 'buffers.safetensors')).catch(() => undefined)) !== undefined) return true;
  }
  return false;
}

function numberOf(name: string | undefined): number {
  return Number(checkpointName.exec(name ?? '')?.[2] ?? 0);
}

/** It is gone from its place at once, however long its removal takes. */
async function removeFolder(path: string): Promise<void> {
  const aside = `${path}${unfinishedSuffix}`;
  await rename(path, aside);
  await rm(aside, { recursive: true });
}
