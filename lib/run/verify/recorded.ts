/**
 * A run.json as whoever checks it reads it.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { exists, jsonOf, readPlainFile } from '../../core/files.ts';
import { type Loose, loose } from '../loose.ts';
import { markerName, recordName } from '../run-files.ts';
import { isRecord } from '../settings-json.ts';

export interface Recorded {
  readonly bytes: Buffer;
  readonly value: Loose;
}

/**
 * Reads the record of a folder.
 *
 * @returns what is wrong with it, where it is not a record
 * @throws SoulError SOUL_NOT_FOUND where the folder is not there, SOUL_BAD_FILE where it is none
 */
export async function readRecorded(folder: string): Promise<Recorded | string> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) throw new SoulError('SOUL_NOT_FOUND', `the folder ${folder} does not exist`, { folder });
  if (!found.isDirectory())
    throw new SoulError('SOUL_BAD_FILE', `${folder} is no folder; expected the out folder of a run`, { folder });
  let bytes: Buffer | undefined;
  try {
    bytes = await readPlainFile(join(folder, recordName));
  } catch (error) {
    return `expected the record of a run, found that ${(error as Error).message}`;
  }
  if (bytes === undefined) {
    const isUnfinished = await exists(join(folder, markerName));
    if (isUnfinished)
      return 'expected the record of a run, found no run.json: the run goes on or was cut off (soul runs)';
    return 'expected the record of a run, found no run.json; of what soul merge or soul fuse made, verify the folders it was made from';
  }
  let value: unknown;
  try {
    value = jsonOf(recordName, bytes);
  } catch {
    return 'expected JSON in run.json, found what cannot be read as such: it is damaged or cut short';
  }
  if (!isRecord(value) || loose(loose(value).package).name !== 'soul-unlearn')
    return 'expected a record of soul-unlearn in run.json, found another file of that name';
  return { bytes, value: loose(value) };
}
