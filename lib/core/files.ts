/**
 * Files that are written whole or not at all, and JSON files that are read or refused.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { asSoulError, SoulError, shortMessage } from './errors.ts';
import { measureJson, parsePythonJson } from './json.ts';

/**
 * Lets `write` make a file beside `path` and renames it to `path`, so that nobody ever sees half of one; what was there stays
 * where writing fails.
 *
 * @param write is given a path in the same folder where no file is
 */
export async function replaceFileBy(path: string, write: (beside: string) => Promise<void>): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    await write(beside);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw error;
  }
}

/**
 * Writes a text file whole or not at all.
 *
 * @throws SoulError SOUL_FILE_SYSTEM
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  try {
    await replaceFileBy(path, (beside) => writeFile(beside, text, { flag: 'wx' }));
  } catch (error) {
    throw asSoulError(error);
  }
}

/** Python's own reader stops near here; what walks a value in calls of itself can go so deep. */
const deepestJson = 900;

/**
 * The content of a JSON file, Python's `NaN` and `Infinity` in it allowed; undefined where there is no such file.
 *
 * @throws SoulError SOUL_BAD_FILE where it cannot be read, is not JSON in UTF-8, or is nested deeper than any such file is
 */
export async function readJsonFile(file: string): Promise<unknown> {
  const bad = (problem: string, cause?: unknown) =>
    new SoulError('SOUL_BAD_FILE', `${file} ${problem}`, { file }, { cause });
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw bad(`cannot be read: ${shortMessage(cause)}`, cause);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw bad('is not JSON: it is not valid UTF-8', cause);
  }
  let value: unknown;
  try {
    value = parsePythonJson(text);
  } catch (cause) {
    throw bad(isLfsPointer(text) ? lfsPointer : `is not JSON: ${shortMessage(cause)}`, cause);
  }
  if (measureJson(text).depth > deepestJson) throw bad(`is nested more than ${deepestJson} deep`);
  return value;
}

/** What Git leaves in place of a large file that was not fetched. */
export function isLfsPointer(start: string): boolean {
  return start.startsWith('version https://git-lfs.github.com/');
}

/** What is wrong with such a file, to be read after its name. */
export const lfsPointer =
  'is the pointer of Git LFS to a file, not the file; fetch that: git lfs pull, in its repository';

/** Whether there is anything at `path`. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
