/**
 * The lines of a UTF-8 text file, streamed, with the SHA-256 of its bytes.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import { SoulError } from '../core/errors.ts';

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
 * A byte-order mark at the start and a carriage return at the end of a line are no part of it. Iterating throws SoulError
 * SOUL_NOT_FOUND for a missing file, SOUL_BAD_FILE for one that cannot be read, SOUL_BAD_DATA for a line that is not
 * UTF-8.
 */
export function openLines(file: string): LineSource {
  const hash = createHash('sha256');
  return { lines: streamLines(file, (chunk) => hash.update(chunk)), sha256: () => hash.copy().digest('hex') };
}

async function* streamLines(file: string, onChunk: (chunk: Buffer) => void): AsyncGenerator<Line> {
  const pieces: Buffer[] = [];
  let number = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      onChunk(chunk);
      let start = 0;
      for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
        pieces.push(chunk.subarray(start, end));
        yield decodeLine(file, ++number, pieces);
        pieces.length = 0;
        start = end + 1;
      }
      if (start < chunk.length) pieces.push(chunk.subarray(start));
    }
  } catch (error) {
    throw readError(file, error);
  }
  if (pieces.length > 0) yield decodeLine(file, ++number, pieces);
}

function decodeLine(file: string, number: number, pieces: readonly Buffer[]): Line {
  let bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1);
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
function readError(file: string, error: unknown): SoulError {
  if (error instanceof SoulError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new SoulError('SOUL_NOT_FOUND', `the data file ${file} does not exist`, { file }, { cause: error });
  }
  const problem = code === 'EISDIR' ? 'is a folder, not a file' : `cannot be read: ${message}`;
  return new SoulError('SOUL_BAD_FILE', `the data file ${file} ${problem}`, { file }, { cause: error });
}
