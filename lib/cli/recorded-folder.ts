/**
 * Folders that runs made, which commands without a record leave as they are.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { recordName } from '../run/run-files.ts';

/**
 * Refuses to put another model into the folder of a run: its record would tell of one that is gone.
 *
 * @throws SoulError SOUL_EXISTS
 */
export async function requireNoRecord(folder: string): Promise<void> {
  if (!(await exists(join(folder, recordName)))) return;
  throw new SoulError(
    'SOUL_EXISTS',
    `${folder} was made by a run, whose record, ${recordName}, would tell of a model that is gone; name another folder`,
    { folder },
  );
}
