/**
 * SHA-256 of files, for the record of what a run was made from.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of one file, as 64 hexadecimal digits. */
export async function sha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  return hash.digest('hex');
}

/** SHA-256 of the files of a model folder that make the model: weights, configs, tokenizer and chat template. An
 * aborted signal ends it with the signal's reason. */
export async function modelChecksums(folder: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter(
    (name) => /\.(json|safetensors|jinja|model)$|^(vocab|merges)\.txt$/.test(name) && name !== 'run.json',
  );
  const sums: Record<string, string> = {};
  for (const name of names.sort()) sums[name] = await sha256(join(folder, name), signal);
  return sums;
}
