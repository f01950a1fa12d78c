/**
 * The folder in which a run gathers its files: made and locked, or taken up from a run that was cut off.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { type FileLock, lockFile } from '../core/file-lock.ts';
import { exists } from '../core/files.ts';
import { adapterFiles } from '../model/adapter/adapter-folder.ts';
import { tokenizerFiles } from '../model/tokenizer-files.ts';
import { CheckpointStore, holdsCheckpoints } from './checkpoints/checkpoint-store.ts';
import { requireNoInput } from './replaceable-folder.ts';
import { checkpointsName, markerName, runFiles } from './run-files.ts';

export interface StagingOptions {
  /** Whether a finished model and checkpoints that a run left are removed. */
  readonly overwrite: boolean;
  /** What the run reads. */
  readonly inputs: readonly string[];
  /** Takes up what a run left. */
  readonly resume: boolean;
}

export function stagingOf(path: string): string {
  return `${path}.partial`;
}

/** Where the checkpoints lie of a run to this folder that is not done. */
export async function checkpointsOf(path: string): Promise<string> {
  return join(stagingOf(await placeOf(path)), checkpointsName);
}

/** The folder's own place, without links on the way to it. */
export async function placeOf(path: string): Promise<string> {
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

export interface Claim {
  readonly lock: FileLock;
  readonly isResumed: boolean;
}

/** Makes the staging folder and locks it, or takes up the one that is there; it is there under its name only once it is locked. */
export async function claim(staging: string, options: StagingOptions): Promise<Claim> {
  if (options.resume && (await exists(staging))) return { lock: await takeUp(staging, options), isResumed: true };
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
    return { lock, isResumed: false };
  } catch (error) {
    lock?.release();
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

const wholeModelFile = /^(config\.json|generation_config\.json|model.*\.safetensors(\.index\.json)?|.*\.tmp)$/;

/** Whether a file is of a model that a run wrote, or of its adapters, beside the tokenizer's. */
export function isModelFile(name: string): boolean {
  return wholeModelFile.test(name) || adapterFiles.includes(name);
}

/** Whether a file holds weights that a run had finished. */
function isWeights(name: string): boolean {
  return /^(model.*|adapter_model|unlearning_layers)\.safetensors$/.test(name);
}

/** Removes what a run that was cut off left; nothing that anybody else made, and nothing that a run still writes. */
async function removeLeftovers(staging: string, options: StagingOptions): Promise<void> {
  if (!(await exists(staging))) return;
  const lock = await takeUp(staging, options);
  try {
    const finished = (await readdir(staging)).find(isWeights);
    const checkpoints = join(staging, checkpointsName);
    if (finished !== undefined && !options.overwrite) {
      // Without a checkpoint it would begin anew, and the model would be lost.
      const { size } = await CheckpointStore.open(checkpoints, { tidy: false });
      const goOn = size > 0 ? 'go on with that run (--resume), ' : '';
      throw new SoulError(
        'SOUL_EXISTS',
        `${staging} holds a model that an earlier run had finished when it was cut off (${finished}); ${goOn}move it, or let it be replaced (--overwrite)`,
        { path: staging },
      );
    }
    if (!options.overwrite && (await holdsCheckpoints(checkpoints))) {
      throw new SoulError(
        'SOUL_EXISTS',
        `${staging} holds checkpoints of a run that was cut off; go on with it (--resume), or begin anew (--overwrite)`,
        { path: staging },
      );
    }
    await rm(staging, { recursive: true });
  } finally {
    lock.release();
  }
}

/** Locks what a run that was cut off left, where all of it is a run's. */
async function takeUp(staging: string, { inputs }: StagingOptions): Promise<FileLock> {
  await requireNoInput(staging, inputs);
  const marker = join(staging, markerName);
  if (!(await exists(marker))) {
    throw new SoulError(
      'SOUL_EXISTS',
      `${staging} is in the way: the run gathers its files there, but it was not made by a run; move it, or name another output`,
      { path: staging },
    );
  }
  const lock = lockFile(marker, `${staging}, where another run gathers its files,`);
  const names = await readdir(staging);
  const foreign = names.find((name) => ![...runFiles, ...tokenizerFiles].includes(name) && !isModelFile(name));
  if (foreign === undefined) return lock;
  lock.release();
  throw new SoulError(
    'SOUL_EXISTS',
    `${staging} holds ${foreign}, which no run wrote; move it, or name another output`,
    { path: staging },
  );
}
