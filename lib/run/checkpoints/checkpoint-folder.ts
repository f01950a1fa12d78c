/**
 * One checkpoint: a folder that is there whole or not at all, and that tells when it is no longer as it was written.
 *
 * `checkpoint.json` says what it is and what the run knew, `buffers.safetensors` holds the memory, `SHA256SUMS` the hashes of both, in
 * the form that `sha256sum -c` reads.
 *
 * @module
 */

import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asSoulError, SoulError } from '../../core/errors.ts';
import { readJsonFile } from '../../core/files.ts';
import { flush, writeFlushed } from '../../core/flushed-files.ts';
import type { Json } from '../../core/json.ts';
import { packageVersion } from '../../core/package.ts';
import type { KeptProgress, Progress } from '../../unlearn/journal.ts';
import { sha256 } from '../checksums.ts';
import { readBuffers, writeBuffers } from './buffer-file.ts';

/** Of the form of checkpoints: what another version of the package must know to go on from one. */
const checkpointFormat = 1;

const contentName = 'checkpoint.json';
const buffersName = 'buffers.safetensors';
const sumsName = 'SHA256SUMS';

/** What is put beside a checkpoint's place while it is written, and what is on its way out; whoever finds one may remove it. */
export const unfinishedSuffix = '.tmp';

/** What a checkpoint holds. */
export interface CheckpointContent {
  /** What the run knows, and what it is made of. */
  readonly run: Json;
  /** Of the algorithm; absent where it has not begun. */
  readonly progress?: Progress | undefined;
}

/** A checkpoint as it is on disk. */
export interface StoredCheckpoint {
  readonly path: string;
  /** The version of the package that wrote it. */
  readonly packageVersion: string;
  readonly run: Json;
  /** Absent where the algorithm had not begun. */
  readonly kept?: KeptProgress;
}

/**
 * Writes a checkpoint beside its place, flushes it to the disk and renames it.
 *
 * @throws SoulError SOUL_FILE_SYSTEM; nothing of it is left then
 */
export async function writeCheckpointFolder(path: string, { run, progress }: CheckpointContent): Promise<void> {
  const beside = `${path}${unfinishedSuffix}`;
  try {
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside);
    const names = [contentName];
    let bytes: number | undefined;
    if (progress) {
      names.push(buffersName);
      await writeBuffers(join(beside, buffersName), progress.buffers);
      bytes = (await stat(join(beside, buffersName))).size;
    }
    const content: CheckpointFile = {
      format: checkpointFormat,
      package: { name: 'soul-unlearn', version: packageVersion },
      run,
      ...(progress ? { progress: progress.state, bytes: bytes! } : {}),
    };
    await writeFlushed(join(beside, contentName), `${JSON.stringify(content, null, 1)}\n`);
    const sums: string[] = [];
    for (const name of names) sums.push(`${await sha256(join(beside, name))}  ${name}\n`);
    await writeFlushed(join(beside, sumsName), sums.join(''));
    await flush(beside);
    await rename(beside, path);
    await flush(dirname(path));
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    throw asSoulError(error);
  }
}

interface CheckpointFile {
  readonly format: number;
  readonly package: { readonly name: string; readonly version: string };
  readonly run: Json;
  readonly progress?: Json;
  /** Of the buffers' file. */
  readonly bytes?: number;
}

/**
 * Reads a checkpoint, all of it, to see whether it is whole.
 *
 * @param options.contentOnly does not look at the memory, which may take long
 * @throws SoulError SOUL_BAD_FILE where anything is not as it was written; SOUL_UNSUPPORTED where another version of the package wrote it
 *   in a form that this one does not know
 */
export async function readCheckpointFolder(
  path: string,
  { contentOnly = false }: { contentOnly?: boolean } = {},
): Promise<StoredCheckpoint> {
  const sums = await sumsOf(path);
  await requireSum(path, contentName, sums);
  const file = (await readJsonFile(join(path, contentName))) as CheckpointFile;
  const { version } = file.package;
  if (file.format !== checkpointFormat) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${path} is a checkpoint of format ${file.format}, written by version ${version} of soul-unlearn, and this version, ` +
        `${packageVersion}, reads format ${checkpointFormat}: go on with version ${version}, or begin anew (--overwrite)`,
      { path, format: file.format, version },
    );
  }
  if (file.progress === undefined) return { path, packageVersion: version, run: file.run };
  const found = await stat(join(path, buffersName)).catch(() => undefined);
  if (found?.size !== file.bytes) {
    const is = found ? `has ${found.size} bytes` : 'is missing';
    throw damaged(path, `${buffersName} ${is}, where ${file.bytes} were written`);
  }
  if (!contentOnly) await requireSum(path, buffersName, sums);
  const buffers = await readBuffers(join(path, buffersName));
  return { path, packageVersion: version, run: file.run, kept: { state: file.progress, ...buffers } };
}

async function sumsOf(path: string): Promise<Map<string, string>> {
  const text = await readFile(join(path, sumsName), 'latin1').catch(() => undefined);
  if (text === undefined) throw damaged(path, `${sumsName} cannot be read`);
  return new Map([...text.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, sum, name]) => [name!, sum!]));
}

async function requireSum(path: string, name: string, sums: ReadonlyMap<string, string>): Promise<void> {
  const expected = sums.get(name);
  if (expected === undefined) throw damaged(path, `${sumsName} has no hash of ${name}`);
  const found = await sha256(join(path, name)).catch(() => undefined);
  if (found === undefined) throw damaged(path, `${name} cannot be read`);
  if (found !== expected) throw damaged(path, `${name} is no longer what was written (its SHA-256 is another)`);
}

function damaged(path: string, problem: string): SoulError {
  return new SoulError('SOUL_BAD_FILE', `the checkpoint ${basename(path)} is damaged: ${problem}`, { path });
}
