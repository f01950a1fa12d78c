/**
 * Data sets from files: JSON lines or one JSON array, tables as CSV or TSV, and Parquet.
 *
 * @module
 */

import { open, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { hashFile } from '../core/files.ts';
import { readCsvRecords } from './csv-records.ts';
import type { Example } from './example.ts';
import { toExample, wantedFields } from './example-record.ts';
import { readJsonRecords } from './json-records.ts';
import { openLines, readError } from './lines.ts';
import { readParquetRecords } from './parquet-records.ts';
import type { DataRecord } from './record.ts';

export interface DataFile<T> {
  readonly file: string;
  /** Hexadecimal SHA-256 of the file's bytes. */
  readonly sha256: string;
  readonly items: readonly T[];
}

/**
 * Reads a data set, whose records have `question` and `answer`, or `prompt` and `completion`, or a conversation in `messages` (`role`
 * and `content`; or ShareGPT's `conversations`, `from` and `value`) that ends with the assistant's turn, or a whole `text`.
 *
 * - Parquet, told by its first bytes: a row a record.
 * - CSV and TSV, told by the file's extension: a row a record under a row of names; lists as JSON in their cell.
 * - JSON else: an object a line, blank lines are skipped; a file that begins with `[` is one array of such objects. `NaN`, which
 *   Python writes for missing values, is read as null.
 *
 * TOFU's fields `paraphrased_question`, `paraphrased_answer` and `perturbed_answer` are kept as alternatives, and others that hold a
 * text, a number, or true or false as attributes.
 *
 * @throws SoulError SOUL_NOT_FOUND for a missing file; SOUL_BAD_FILE for one that cannot be read, that is no text in UTF-8 or a
 *   damaged Parquet file; SOUL_BAD_DATA, with `file` and `line` in the details, for the first record that is not usable, and for a
 *   file without any
 */
export async function readExamples(file: string): Promise<DataFile<Example>> {
  const { records, sha256 } = await openRecords(file);
  const items: Example[] = [];
  for await (const record of records) items.push(toExample(file, record));
  if (items.length === 0) {
    const problem = `has no examples; expected records with ${wantedFields}`;
    throw new SoulError('SOUL_BAD_DATA', `the data file ${file} ${problem}`, { file });
  }
  return { file, sha256: await sha256(), items };
}

/** The records of a file, and its hash when they are read. */
async function openRecords(
  file: string,
): Promise<{ records: AsyncIterable<DataRecord>; sha256: () => string | Promise<string> }> {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) throw invalidArgument('file', 'a path', file);
  const extension = extname(file).toLowerCase();
  const begin = await beginOf(file);
  if (begin === 'PARE') {
    throw new SoulError('SOUL_BAD_FILE', `the data file ${file} is an encrypted Parquet file; decrypt it first`, {
      file,
    });
  }
  if (begin === 'PAR1') return { records: readParquetRecords(file), sha256: () => hashOf(file) };
  if (extension === '.parquet' && begin !== undefined) {
    const problem = 'is named as Parquet but does not begin as such a file does; it is damaged, or another file';
    throw new SoulError('SOUL_BAD_FILE', `the data file ${file} ${problem}`, { file });
  }
  const { lines, sha256 } = openLines(file);
  if (extension === '.csv') return { records: readCsvRecords(file, lines, ','), sha256 };
  if (extension === '.tsv') return { records: readCsvRecords(file, lines, '\t'), sha256 };
  return { records: readJsonRecords(file, lines), sha256 };
}

/** The first four bytes of a file, as text; undefined for what is none, which can be read but once. */
async function beginOf(file: string): Promise<string | undefined> {
  try {
    if (!(await stat(file)).isFile()) return undefined;
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
      // What a pointer of Git LFS stands for is named where text is read.
      const begin = buffer.toString('latin1', 0, bytesRead);
      return begin === 'vers' ? undefined : begin;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readError(file, error);
  }
}

async function hashOf(file: string): Promise<string> {
  try {
    return await hashFile(file);
  } catch (error) {
    throw readError(file, error);
  }
}
