/**
 * Files that a command writes when its work is done, checked before it begins.
 *
 * @module
 */

import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';

/**
 * Checks that a file can be made or replaced: its folder is there and can be written, and nothing else stands in its place.
 *
 * @param option that names the file, for the message
 * @param inputs files that are read and must not be replaced
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NOT_FOUND where the folder does not exist
 */
export async function requireWritableFile(option: string, file: string, inputs: readonly string[]): Promise<void> {
  const path = resolve(file);
  const folder = dirname(path);
  const refused = (problem: string) =>
    new SoulError('SOUL_INVALID_ARGUMENT', `${option} ${file} cannot be written: ${problem}`, { option, path });
  const place = await stat(folder).catch(() => undefined);
  if (place === undefined) {
    throw new SoulError(
      'SOUL_NOT_FOUND',
      `${option} ${file} cannot be written: the folder ${folder} does not exist; make it, or name another file`,
      { option, path },
    );
  }
  if (!place.isDirectory()) throw refused(`${folder} is not a folder`);
  await access(folder, constants.W_OK | constants.X_OK).catch((error: Error) => {
    throw refused(`the folder ${folder} does not let files be made in it (${error.message})`);
  });
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isFile()) throw refused(`it is ${there.isDirectory() ? 'a folder' : 'not a regular file'}; name a file`);
  for (const input of inputs) {
    const same = (await realpath(input).catch(() => undefined)) === (await realpath(path));
    if (same) throw refused('it is a file that the command reads; name another');
  }
}
