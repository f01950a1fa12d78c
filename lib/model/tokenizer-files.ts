/**
 * The files of a tokenizer in a Hugging Face folder.
 *
 * @module
 */

import { constants } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';

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

/**
 * Copies what `from` has of these files into `to`, bytes unchanged; the folder is made if need be.
 *
 * @returns the names of the files
 * @throws SoulError SOUL_EXISTS when one is there already, unless `overwrite` is set; SOUL_FILE_SYSTEM
 */
export async function copyTokenizerFiles(
  from: string,
  to: string,
  { overwrite = false }: { overwrite?: boolean } = {},
): Promise<string[]> {
  const present = await Promise.all(tokenizerFiles.map((name) => exists(join(from, name))));
  const names = tokenizerFiles.filter((_, i) => present[i]);
  try {
    await mkdir(to, { recursive: true });
    for (const name of names) {
      await copyFile(join(from, name), join(to, name), overwrite ? 0 : constants.COPYFILE_EXCL);
    }
  } catch (cause) {
    const { code, dest } = cause as NodeJS.ErrnoException & { dest?: string };
    if (code !== 'EEXIST') throw asSoulError(cause);
    throw new SoulError('SOUL_EXISTS', `${dest} already exists`, { path: dest }, { cause });
  }
  return names;
}
