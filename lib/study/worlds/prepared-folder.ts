/**
 * Folders that a study makes once and finds again: whole, with a record of what they were made from.
 *
 * @module
 */

import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { exists, makeFolders, readJsonFile, replaceFile } from '../../core/files.ts';
import { isObject, toJson } from '../../core/json.ts';

const recordName = 'prepared.json';

/**
 * Makes a folder, unless it is there already. Nobody sees half of one: it is made beside its place and put there when it is done. The caller
 * holds a lock, so that what is found half made belongs to nobody.
 *
 * @param from all that it is made from, as a digest
 * @throws SoulError SOUL_EXISTS where one is there that was made from something else; what `make` throws
 */
export async function prepareFolder(
  path: string,
  from: string,
  make: (folder: string) => Promise<void>,
): Promise<'made' | 'found'> {
  if (await exists(path)) {
    const record = await readJsonFile(join(path, recordName));
    if (isObject(record) && record.from === from) return 'found';
    throw new SoulError(
      'SOUL_EXISTS',
      `${path} was made from other data, another model or other settings than the study names now; remove it to have it made again, or ` +
        'give the study another folder (--out)',
      { path },
    );
  }
  const above = dirname(path);
  await makeFolders(above);
  const mark = `${basename(path)}.making`;
  for (const left of await readdir(above)) {
    if (left.startsWith(mark)) await rm(join(above, left), { recursive: true, force: true });
  }
  const beside = join(above, `${mark}-${process.pid}`);
  try {
    await makeFolders(beside);
    await make(beside);
    await replaceFile(join(beside, recordName), toJson({ from }));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
  return 'made';
}
