/**
 * The lines of a UTF-8 text file, streamed, with the SHA-256 of its bytes.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkTextFile } from './file-format.ts';

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its line end. */
  readonly text: string;
}

/** Reads a file once: iterate `lines`, then ask for `sha256`. */
export interface LineSource {
  readonly lines: AsyncIterable<Line>;
  /** Hexadecimal SHA-256 of all bytes; only after the last line. */
  sha256(): string;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Opens `file`; nothing is read before the first line is asked for.
 *
 * A line ends with a line feed, a carriage return, or both in this order, as in Python; a byte-order mark at the start of the file
 * is no part of it. Iterating throws SoulError SOUL_NOT_FOUND for a missing file, SOUL_BAD_FILE for one that cannot be read or that
 * begins as a file of another format than text in UTF-8 does, SOUL_BAD_DATA for a line that is not UTF-8 or holds a NUL byte.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no path
 */
export function openLines(file: string): LineSource {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) throw invalidArgument('file', 'a path', file);
  const hash = createHash('sha256');
  return { lines: streamLines(file, (chunk) => hash.update(chunk)), sha256: () => hash.copy().digest('hex') };
}

async function* streamLines(file: string, onChunk: (chunk: Buffer) => void): AsyncGenerator<Line> {
  const pieces: Buffer[] = [];
  let number = 0;
  let first = true;
  /** Whether a line feed at the start of the next chunk belongs to a line end that is counted already. */
  let afterReturn = false;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      onChunk(chunk);
      if (first) checkTextFile(file, chunk);
      first = false;
      let start = afterReturn && chunk[0] === lineFeed ? 1 : 0;
      for (const [end, next] of lineEnds(chunk, start)) {
        pieces.push(chunk.subarray(start, end));
        yield decodeLine(file, ++number, pieces);
        pieces.length = 0;
        start = next;
      }
      afterReturn = chunk.at(-1) === carriageReturn;
      if (start < chunk.length) pieces.push(chunk.subarray(start));
    }
  } catch (error) {
    throw readError(file, error);
  }
  if (pieces.length > 0) yield decodeLine(file, ++number, pieces);
}

/** Where each line of a chunk ends, and where the next begins. */
function* lineEnds(chunk: Buffer, from: number): Generator<[end: number, next: number]> {
  let feed = chunk.indexOf(lineFeed, from);
  let carriage = chunk.indexOf(carriageReturn, from);
  while (feed !== -1 || carriage !== -1) {
    const end = carriage === -1 || (feed !== -1 && feed < carriage) ? feed : carriage;
    const next = end === carriage && chunk[end + 1] === lineFeed ? end + 2 : end + 1;
    yield [end, next];
    // Each of the two is looked for anew only where it was passed, so that a chunk is read once.
    if (feed !== -1 && feed < next) feed = chunk.indexOf(lineFeed, next);
    if (carriage !== -1 && carriage < next) carriage = chunk.indexOf(carriageReturn, next);
  }
}

function decodeLine(file: string, number: number, pieces: readonly Buffer[]): Line {
  const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  if (bytes.includes(0)) {
    throw badLine(
      file,
      number,
      'holds a NUL byte, so it is no text in UTF-8 (UTF-16, perhaps); save the file as UTF-8',
    );
  }
  try {
    // Only the first line may lose a byte-order mark; further on it is an ordinary character.
    return { number, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(bytes) };
  } catch (cause) {
    throw badLine(file, number, 'is not valid UTF-8; save the file as UTF-8', { cause });
  }
}

/** A SOUL_BAD_DATA error that names the file and the line. */
export function badLine(file: string, line: number, problem: string, options?: ErrorOptions): SoulError {
  return new SoulError('SOUL_BAD_DATA', `${file}:${line} ${problem}`, { file, line, problem }, options);
}

/** What goes wrong while reading, as a SoulError; system errors may be of another realm, so they are told by code. */
export function readError(file: string, error: unknown): SoulError {
  if (error instanceof SoulError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new SoulError('SOUL_NOT_FOUND', `the data file ${file} does not exist`, { file }, { cause: error });
  }
  const problem = code === 'EISDIR' ? 'is a folder, not a file' : `cannot be read: ${message}`;
  return new SoulError('SOUL_BAD_FILE', `the data file ${file} ${problem}`, { file }, { cause: error });
}
