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
import { throwIfCancelled } from '../core/cancellation.ts';
import { asSoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';

/** SHA-256 of one file, as 64 hexadecimal digits. */
export async function sha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  } catch (error) {
    throwIfCancelled(signal, `the hashing of ${path} was cancelled`);
    throw asSoulError(error);
  }
  return hash.digest('hex');
}

/**
 * SHA-256 of the files of a model folder that make the model: weights, configs, tokenizer and chat template.
 *
 * @throws SoulError SOUL_CANCELLED, SOUL_FILE_SYSTEM
 */
export async function modelChecksums(folder: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter(
    (name) => /^[^.].*\.(json|safetensors|jinja|model)$|^(vocab|merges)\.txt$/.test(name) && name !== 'run.json',
  );
  const sums: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = join(folder, name);
    // A link to what is gone belongs to nothing that was read.
    if (await exists(path)) sums[name] = await sha256(path, signal);
  }
  return sums;
}
