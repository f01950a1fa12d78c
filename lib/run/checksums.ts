/**
 * SHA-256 of files, for the record of what a run was made from.
 *
 * @module
 */

import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { throwIfCancelled } from '../core/cancellation.ts';
import { asSoulError } from '../core/errors.ts';
import { exists, hashFile } from '../core/files.ts';
import { markerName, recordName, signatureName } from './run-files.ts';

/**
 * SHA-256 of one file, as 64 hexadecimal digits.
 *
 * @throws SoulError SOUL_CANCELLED, SOUL_FILE_SYSTEM
 */
export async function sha256(path: string, signal?: AbortSignal): Promise<string> {
  try {
    return await hashFile(path, signal);
  } catch (error) {
    throwIfCancelled(signal, `the hashing of ${path} was cancelled`);
    throw asSoulError(error);
  }
}

/**
 * SHA-256 of the files of a model folder that make the model: weights, configs, tokenizer and chat template.
 *
 * @throws SoulError SOUL_CANCELLED, SOUL_FILE_SYSTEM
 */
export async function modelChecksums(folder: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter(
    (name) => /^[^.].*\.(json|safetensors|jinja|model)$|^(vocab|merges)\.txt$/.test(name) && name !== recordName,
  );
  const sums: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = join(folder, name);
    // A link to what is gone belongs to nothing that was read.
    if (await exists(path)) sums[name] = await sha256(path, signal);
  }
  return sums;
}

/**
 * Those of a model folder, and of adapters those of their base too, whose names begin with `base/`.
 *
 * @param base the folder of the whole model, which may be the same
 * @throws SoulError of {@link modelChecksums}
 */
export async function checksumsWithBase(
  folder: string,
  base: string,
  signal?: AbortSignal,
): Promise<Record<string, string>> {
  const own = await modelChecksums(folder, signal);
  if (base === folder) return own;
  const ofBase = Object.entries(await modelChecksums(base, signal));
  return { ...own, ...Object.fromEntries(ofBase.map(([name, sum]) => [`base/${name}`, sum])) };
}

/** What a record cannot have the hash of: itself, what signs it, and the mark of a folder in the making. */
const unhashed: readonly string[] = [recordName, signatureName, markerName];

/**
 * Names of all files of a folder and of the folders in it, `/` between them, but for {@link unhashed}.
 *
 * @throws SoulError SOUL_FILE_SYSTEM
 */
export async function filesOf(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter((name) => !unhashed.includes(name))
      .sort();
  } catch (error) {
    throw asSoulError(error);
  }
}

/**
 * SHA-256 of all files of an out folder, as a record has them: the model's, and what runs write beside.
 *
 * @param without a folder in it that will not stay
 */
export async function outputChecksums(
  folder: string,
  { without }: { readonly without?: string | undefined } = {},
): Promise<Record<'model' | 'others', { sha256: Record<string, string> }>> {
  const model = await modelChecksums(folder);
  const others: Record<string, string> = {};
  for (const name of await filesOf(folder)) {
    if (Object.hasOwn(model, name) || name.split('/')[0] === without) continue;
    others[name] = await sha256(join(folder, name));
  }
  return { model: { sha256: model }, others: { sha256: others } };
}
