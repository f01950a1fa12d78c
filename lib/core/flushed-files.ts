/**
 * Files and folders that outlive the machine's power: written and flushed to the disk.
 *
 * @module
 */

import { open } from 'node:fs/promises';

/**
 * Writes a new file and flushes it; it must not be there.
 *
 * @param mode who may read and write it, where the system knows that; default as for any file
 */
export async function writeFlushed(path: string, text: string, mode?: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Flushes what is in a file, or the names in a folder; where the file system has no such thing, nothing. */
export async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await file.close();
  }
}
