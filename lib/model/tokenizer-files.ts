/**
 * The files of a tokenizer in a Hugging Face folder.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { exists, makeFolders, replaceFileBy } from '../core/files.ts';

/** Every file that may belong to a tokenizer; what a folder has of them goes along with a model made from it. */
export const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
  'chat_template.jinja',
  'chat_template.json',
];

/** The files that a folder has of these. */
export async function tokenizerFilesOf(folder: string): Promise<string[]> {
  const present = await Promise.all(tokenizerFiles.map((name) => exists(join(folder, name))));
  return tokenizerFiles.filter((_, i) => present[i]);
}

/**
 * Checks that {@link copyTokenizerFiles} has something to copy and room for it.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_EXISTS
 */
export async function requireTokenizerFiles(
  from: string,
  to: string,
  { overwrite = false }: { overwrite?: boolean },
): Promise<void> {
  const names = await tokenizerFilesOf(from);
  if (names.length === 0) {
    throw new SoulError('SOUL_NOT_FOUND', `${from} has no tokenizer any more; name another with { tokenizer }`, {
      folder: from,
    });
  }
  for (const name of names) {
    if (overwrite || !(await exists(join(to, name)))) continue;
    throw new SoulError(
      'SOUL_EXISTS',
      `${join(to, name)} already exists; name another folder, or replace it with { overwrite: true }`,
      {
        path: join(to, name),
      },
    );
  }
}

/**
 * Copies what `from` has of these files into `to`, bytes unchanged, each beside its place and renamed; the folder is made if need be.
 *
 * @returns the names of the files
 * @throws SoulError SOUL_NOT_FOUND without a file; SOUL_EXISTS when one is there already, unless `overwrite` is set; SOUL_FILE_SYSTEM
 */
export async function copyTokenizerFiles(
  from: string,
  to: string,
  options: { overwrite?: boolean } = {},
): Promise<string[]> {
  await requireTokenizerFiles(from, to, options);
  const names = await tokenizerFilesOf(from);
  try {
    await makeFolders(to);
    for (const name of names) {
      await replaceFileBy(join(to, name), (beside) => copyContent(join(from, name), beside));
    }
  } catch (error) {
    throw asSoulError(error);
  }
  return names;
}

/** Copies what is in a file, not its mode: caches hold theirs read-only. */
async function copyContent(from: string, to: string): Promise<void> {
  await writeFile(to, await readFile(from), { flag: 'wx' });
}
