/**
 * What an evaluation has found so far, on disk, so that it can go on after an interruption.
 *
 * @module
 */

import { constants } from 'node:fs';
import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { asSoulError, SoulError } from '../../core/errors.ts';
import { type FileLock, lockContent } from '../../core/file-lock.ts';
import { badFileOf } from '../../core/files.ts';
import { parsePythonJson, toPythonJson } from '../../core/json.ts';

/** One line of JSON. */
const line = (value: unknown): string => `${toPythonJson(value).replaceAll(/\n\s*/g, '')}\n`;

/**
 * A file of lines: the settings of the evaluation, then what was found, under a key each. While a process has it open it is locked, which
 * ends with the process, however that ends.
 */
export class EvaluationJournal {
  readonly file: string;
  readonly #found: Map<string, unknown>;
  #lock: FileLock | undefined;

  private constructor(file: string, lock: FileLock, found: Map<string, unknown>) {
    this.file = file;
    this.#lock = lock;
    this.#found = found;
  }

  /**
   * Opens a file, or begins it. A last line that is not whole, as of a process that was killed, is dropped.
   *
   * @param settings all that what is found depends on
   * @throws SoulError SOUL_BUSY where an evaluation has it open; SOUL_EXISTS where the file is of another evaluation; SOUL_BAD_FILE where it is none; SOUL_FILE_SYSTEM
   */
  static async open(file: string, settings: Readonly<Record<string, unknown>>): Promise<EvaluationJournal> {
    const lock = lockContent(file, `${file}, where an evaluation keeps what it finds,`);
    try {
      const bytes = await readFile(file);
      const whole = bytes.lastIndexOf('\n') + 1;
      const lines = linesOf(file, bytes.subarray(0, whole));
      // Another file in its place would not be locked.
      if (lines.length === 0) {
        if (!isBegun(bytes)) throw noRecord(file);
        await writeFile(file, line({ settings }));
        return new EvaluationJournal(file, lock, new Map());
      }
      checkHeader(file, lines[0]!, settings);
      const found = new Map(lines.slice(1).map((entry, i) => readEntry(file, entry, i + 2)));
      if (whole < bytes.length) await truncate(file, whole);
      return new EvaluationJournal(file, lock, found);
    } catch (error) {
      lock.release();
      throw asSoulError(error);
    }
  }

  /** How many entries there are. */
  get size(): number {
    return this.#found.size;
  }

  has(key: string): boolean {
    return this.#found.has(key);
  }

  get(key: string): unknown {
    return this.#found.get(key);
  }

  /**
   * Keeps entries; they are on disk when the promise settles.
   *
   * @throws SoulError SOUL_RELEASED, SOUL_FILE_SYSTEM
   */
  async add(entries: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    if (!this.#lock) throw new SoulError('SOUL_RELEASED', `${this.file} was released and may be another's`);
    try {
      // One that somebody removed is not made anew: it would not be locked.
      const flag = constants.O_WRONLY | constants.O_APPEND;
      await appendFile(this.file, entries.map(line).join(''), { flag });
    } catch (error) {
      throw asSoulError(error);
    }
    for (const [key, value] of entries) this.#found.set(key, value);
  }

  /** Removes the file, when all of it stands elsewhere, and lets others make it; nothing where it was released. */
  async remove(): Promise<void> {
    if (this.#lock) await rm(this.file, { force: true });
    this.release();
  }

  /** Lets others open the file, which stays; harmless when done twice. */
  release(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

/** The lines that are whole. */
function linesOf(file: string, bytes: Uint8Array): string[] {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).split('\n').slice(0, -1);
  } catch (cause) {
    throw badFileOf(file)('is damaged: it is not valid UTF-8; remove the file to begin anew', cause);
  }
}

/** Whether a file without a whole line is what a process left that was killed before it had written one. */
function isBegun(bytes: Buffer): boolean {
  const begin = line({ settings: {} }).replace(/}}\n$/, '');
  return bytes.subarray(0, begin.length).equals(Buffer.from(begin).subarray(0, bytes.length));
}

function noRecord(file: string): SoulError {
  return badFileOf(file)('does not begin as the record of an evaluation; remove it');
}

function checkHeader(file: string, first: string, settings: Readonly<Record<string, unknown>>): void {
  const header = parsedLine(first) as { settings?: Record<string, unknown> } | undefined;
  if (typeof header?.settings !== 'object' || header.settings === null) throw noRecord(file);
  const names = [...new Set([...Object.keys(settings), ...Object.keys(header.settings)])];
  const other = names.find((name) => line({ of: header.settings![name] }) !== line({ of: settings[name] }));
  if (other === undefined) return;
  throw new SoulError(
    'SOUL_EXISTS',
    `${file} is of an evaluation with another ${other}; remove it to begin anew, or name another log`,
    { file, setting: other, found: header.settings[other], expected: settings[other] },
  );
}

function readEntry(file: string, text: string, number: number): [string, unknown] {
  const entry = parsedLine(text);
  if (Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string') return [entry[0], entry[1]];
  throw new SoulError('SOUL_BAD_FILE', `${file}:${number} is damaged; remove the file to begin anew`, {
    file,
    line: number,
  });
}

function parsedLine(text: string): unknown {
  try {
    return parsePythonJson(text, { nan: Number.NaN });
  } catch {
    return undefined;
  }
}
