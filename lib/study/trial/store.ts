/**
 * Trials in the folder of a study: each a file that is there whole or not at all, and taken by one process at a time.
 *
 * @module
 */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asSoulError, SoulError } from '../../core/errors.ts';
import { type FileLock, lockContent } from '../../core/file-lock.ts';
import { exists, makeFolders, readPlainJsonFile, replaceFile } from '../../core/files.ts';
import { toJson } from '../../core/json.ts';
import { recordProblem } from './check-record.ts';
import type { TrialRecord, TrialTask } from './record.ts';

const [trialsName, claimsName] = ['trials', 'claims'];

/** A record has kilobytes; with long texts some hundred. */
const mostBytes = 2 ** 24;

/** A trial that this process alone is at. */
export interface Claim {
  /** Gives it up, whether it is done or not. */
  release(): Promise<void>;
}

/**
 * The trials of a study's folder, `trials/<id>.json`. A study goes on from these files alone: those of another machine can be laid beside
 * them. `claims/` says which processes of this machine are at which; the kernel takes a claim back when its process ends.
 */
export class TrialStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  fileOf(id: string): string {
    return join(this.folder, trialsName, `${id}.json`);
  }

  /**
   * Ids of the trials that are there, whichever study they are of.
   *
   * @throws SoulError SOUL_FILE_SYSTEM
   */
  async ids(): Promise<string[]> {
    const names = await readdir(join(this.folder, trialsName)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw asSoulError(error);
    });
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .sort();
  }

  async has(id: string): Promise<boolean> {
    return exists(this.fileOf(id));
  }

  async write(record: TrialRecord): Promise<void> {
    await makeFolders(join(this.folder, trialsName));
    await replaceFile(this.fileOf(record.id), toJson(record));
  }

  /**
   * A trial that is done; undefined where it is not.
   *
   * @param identity what the study of today says it is; absent: not asked
   * @throws SoulError SOUL_BAD_FILE for a damaged file, and for one of other settings, data or models
   */
  async read(task: Pick<TrialTask, 'id'>, identity?: string): Promise<TrialRecord | undefined> {
    const file = this.fileOf(task.id);
    const content = await readPlainJsonFile(file, mostBytes);
    if (content === undefined) return undefined;
    const bad = (problem: string) => new SoulError('SOUL_BAD_FILE', `${file} ${problem}`, { file, trial: task.id });
    const problem = recordProblem(content);
    if (problem !== undefined) {
      throw bad(`is damaged: a trial must be ${problem}; remove the file to have it done again`);
    }
    const record = content as TrialRecord;
    if (record.id !== task.id) {
      throw bad(`is of the trial ${record.id}: give it its name back, or remove it to have it done again`);
    }
    if (identity !== undefined && record.study !== identity) {
      throw bad(
        'is of other settings, data or models than the study names now; give the study another folder (--out), or remove the file to have ' +
          'the trial done again',
      );
    }
    return record;
  }

  /** Takes a trial for this process; undefined where it is done, or another is at it. */
  async claim({ id }: Pick<TrialTask, 'id'>): Promise<Claim | undefined> {
    if (await this.has(id)) return undefined;
    const folder = join(this.folder, claimsName);
    await makeFolders(folder);
    const path = join(folder, id);
    let lock: FileLock;
    try {
      lock = lockContent(path, `the trial ${id}`);
    } catch (error) {
      if (error instanceof SoulError && error.code === 'SOUL_BUSY') return undefined;
      throw error;
    }
    const release = async () => {
      await rm(path, { force: true });
      lock.release();
    };
    // It may have been done between the look and the lock.
    if (!(await this.has(id))) return { release };
    await release();
    return undefined;
  }
}
