/**
 * A folder that was published by a run that was killed before it had removed what is not to stay.
 *
 * @module
 */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFile } from '../core/file-lock.ts';
import { exists, readJsonFile } from '../core/files.ts';
import { loose } from './loose.ts';
import { checkpointsName, markerName, recordName } from './run-files.ts';
import { isRecord } from './settings-json.ts';

/**
 * Removes the checkpoints that the record of a published folder does not name, and the mark of a folder in the making; nothing where
 * there is no such mark.
 *
 * @throws SoulError SOUL_BUSY where a run is still at it, SOUL_FILE_SYSTEM
 */
export async function tidyPublished(place: string): Promise<void> {
  const marker = join(place, markerName);
  if (!(await exists(marker))) return;
  const record = await readJsonFile(join(place, recordName)).catch(() => undefined);
  if (!isRecord(record)) return;
  const lock = lockFile(marker, `${place}, which a run has published,`);
  try {
    const { others } = loose(loose(record).outputs);
    const named = Object.keys(loose(loose(others).sha256));
    const folder = join(place, checkpointsName);
    const found = await readdir(folder).catch(() => []);
    const stays = (name: string) => named.some((file) => file.startsWith(`${checkpointsName}/${name}/`));
    const spare = found.filter((name) => !stays(name));
    for (const name of spare) await rm(join(folder, name), { recursive: true, force: true });
    if (spare.length === found.length) await rm(folder, { recursive: true, force: true });
    await rm(marker, { force: true });
  } finally {
    lock.release();
  }
}
