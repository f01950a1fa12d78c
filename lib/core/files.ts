/**
 * Files that are written whole or not at all, and text and JSON files that are read or refused.
 *
 * @module
 */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
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
 * Makes a folder and those above it where they lack. Node's own `recursive` never ends where a file system says that a folder's parent,
 * which is there, is not, as /proc does.
 *
 * @throws the error of the first folder that cannot be made
 */
export async function makeFolders(path: string): Promise<void> {
  const isFolder = async () => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  if (await isFolder()) return;
  const above = dirname(path);
  const missing = await stat(above).then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === 'ENOENT',
  );
  if (missing && above !== path) await makeFolders(above);
  try {
    await mkdir(path);
  } catch (error) {
    // Another process may have made it.
    if (!(await isFolder())) throw error;
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

/** Python's own reader of JSON stops near here; what walks a value in calls of itself can go so deep. */
export const deepestNesting = 900;

/** Makes the errors of a file that is not what it should be, from what is wrong with it. */
export function badFileOf(file: string): (problem: string, cause?: unknown) => SoulError {
  return (problem, cause) => new SoulError('SOUL_BAD_FILE', `${file} ${problem}`, { file }, { cause });
}

/**
 * The content of a text file in UTF-8, a byte order mark included; undefined where there is no such file.
 *
 * @param form what the file should be, for the error
 * @throws SoulError SOUL_BAD_FILE where it cannot be read, or is not UTF-8
 */
export async function readTextFile(file: string, form = 'text'): Promise<string | undefined> {
  const bytes = await readBytes(file);
  return bytes && textOf(file, bytes, form);
}

/**
 * The content of a JSON file, Python's `NaN` and `Infinity` in it allowed; undefined where there is no such file.
 *
 * @param options as {@link parsePythonJson}
 * @throws SoulError SOUL_BAD_FILE where it cannot be read, is not JSON in UTF-8, or is nested deeper than any such file is
 */
export async function readJsonFile(file: string, options?: Parameters<typeof parsePythonJson>[1]): Promise<unknown> {
  const bytes = await readBytes(file);
  return bytes && jsonOf(file, bytes, options);
}

/**
 * The value of a JSON file's bytes.
 *
 * @throws SoulError SOUL_BAD_FILE of {@link readJsonFile}
 */
export function jsonOf(file: string, bytes: Uint8Array, options?: Parameters<typeof parsePythonJson>[1]): unknown {
  const text = textOf(file, bytes, 'JSON');
  const bad = badFileOf(file);
  let value: unknown;
  try {
    value = parsePythonJson(text, options);
  } catch (cause) {
    throw bad(isLfsPointer(text) ? lfsPointer : `is not JSON: ${shortMessage(cause)}`, cause);
  }
  if (measureJson(text).depth > deepestNesting) throw bad(`is nested more than ${deepestNesting} deep`);
  return value;
}

async function readBytes(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const problem = code === 'EISDIR' ? 'is a folder, not a file' : `cannot be read: ${shortMessage(cause)}`;
    throw badFileOf(file)(problem, cause);
  }
}

function textOf(file: string, bytes: Uint8Array, form: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw badFileOf(file)(`is not ${form}: it is not valid UTF-8`, cause);
  }
}

/** What Git leaves in place of a large file that was not fetched. */
export function isLfsPointer(start: string): boolean {
  return start.startsWith('version https://git-lfs.github.com/');
}

/** What is wrong with such a file, to be read after its name. */
export const lfsPointer =
  'is the pointer of Git LFS to a file, not the file; fetch that: git lfs pull, in its repository';

/** SHA-256 of a file's bytes, as 64 hexadecimal digits; throws what reading it throws. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  return hash.digest('hex');
}

/**
 * The bytes of a file in a folder that others may have filled; undefined where nothing is there. A pipe would be waited for without end,
 * and a device read without one.
 *
 * @throws SoulError SOUL_BAD_FILE where it is no file, or cannot be read
 */
export async function readPlainFile(path: string): Promise<Buffer | undefined> {
  const bad = badFileOf(path);
  try {
    const found = await stat(path);
    if (!found.isFile()) throw bad(found.isDirectory() ? 'is a folder, not a file' : 'is no file');
    return await readFile(path);
  } catch (error) {
    if (error instanceof SoulError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw bad(`cannot be read: ${shortMessage(error)}`, error);
  }
}

/**
 * The value of a JSON file as {@link readPlainFile} reads it; undefined where nothing is there.
 *
 * @param most bytes that such a file has
 * @throws SoulError SOUL_BAD_FILE where it is no file, is larger, or is not JSON as {@link readJsonFile} has it
 */
export async function readPlainJsonFile(path: string, most: number): Promise<unknown> {
  const { size } = (await stat(path).catch(() => undefined)) ?? { size: 0 };
  if (size > most) throw badFileOf(path)(`has ${size} bytes, more than the ${most} that such a file has at most`);
  const bytes = await readPlainFile(path);
  return bytes && jsonOf(path, bytes);
}

/** Bytes that may still be written where a folder lies; throws what asking throws. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Whether there is anything at `path`. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
