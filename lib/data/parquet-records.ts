/**
 * The records of a Parquet file, row group by row group.
 *
 * @module
 */

import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { type FileMetaData, parquetMetadata, parquetReadObjects, type RowGroup } from 'hyparquet';
import { SoulError, shortMessage, shortName } from '../core/errors.ts';
import { badLine } from './lines.ts';
import { compressors, isReadable, readableCodecs } from './parquet-codecs.ts';
import { readFooter } from './parquet-footer.ts';
import { checkPages } from './parquet-pages.ts';
import { type ParquetColumn, readableColumns } from './parquet-schema.ts';
import type { DataRecord } from './record.ts';

/** Values of all columns, and so rows, that a file may claim for each of its bytes, and beyond them. */
const mostValues = { perByte: 16, more: 2 ** 16 } as const;

/** Characters likewise, where many rows have one long text. */
const mostCharacters = { perByte: 64, more: 2 ** 26 } as const;

/**
 * Reads a Parquet file: a row is a record, its number the line. Columns of one thing a row are read, and the lists that examples have
 * (`messages`, `conversations`, `perturbed_answer`); others, as embeddings and images, are not. Nulls are left out, dates and times are
 * texts.
 *
 * @throws SoulError SOUL_BAD_FILE for a file that is damaged, encrypted, or compressed as is not read here, which it names
 */
export async function* readParquetRecords(file: string): AsyncGenerator<DataRecord> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const slice = (start: number, end = size) => readSlice(handle, start, end);
    const bad = (problem: string, cause?: unknown) =>
      new SoulError('SOUL_BAD_FILE', `the Parquet file ${file} ${problem}`, { file }, { cause });
    const guarded = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof SoulError) throw error;
        throw bad(`is damaged, or written in a way that is not read (${shortMessage(error)})`, error);
      }
    };
    const metadata = await guarded(async () => parquetMetadata(await readFooter(slice, size), { geoparquet: false }));
    const columns = await guarded(() => readableColumns(metadata));
    const wanted = [...new Set(columns.map(({ path }) => path[0]!))];
    await guarded(() => checkSizes(metadata, size));
    let line = 0;
    let characters = 0;
    for (const group of metadata.row_groups) {
      await guarded(() => {
        checkCodecs(group, columns, bad);
        return checkGroup(group, columns, slice);
      });
      const rows = await guarded(() =>
        parquetReadObjects({
          file: { byteLength: size, slice },
          metadata: { ...metadata, row_groups: [group] },
          columns: wanted,
          compressors,
          parsers,
          geoparquet: false,
        }),
      );
      for (const row of rows) {
        const number = ++line;
        const value = plain(row, (length) => {
          characters += length;
        });
        if (characters > mostCharacters.perByte * size + mostCharacters.more) {
          throw bad(`holds more text in its first ${number} rows than ${size} bytes can`);
        }
        yield { value, line: number, report: (problem) => badLine(file, number, `(row ${number}) ${problem}`) };
      }
    }
  } finally {
    await handle.close();
  }
}

async function readSlice(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const { size } = await handle.stat();
  if (!(start >= 0 && start <= end && end <= size)) throw new Error('points beyond its end');
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new Error('ends early');
    done += bytesRead;
  }
  return bytes.buffer;
}

/** Counts that the whole file claims. */
function checkSizes({ row_groups: groups }: FileMetaData, size: number): void {
  let [bytes, values, rows] = [0, 0, 0];
  for (const { columns, num_rows: count } of groups) {
    if (count < 0n) throw new Error('a count below 0');
    rows += Number(count);
    for (const { meta_data: meta } of columns) {
      if (meta === undefined) continue;
      if (meta.total_compressed_size < 0n || meta.num_values < 0n) throw new Error('a count below 0');
      bytes += Number(meta.total_compressed_size);
      values += Number(meta.num_values);
    }
  }
  if (bytes > size) throw new Error(`it claims ${bytes} bytes of pages, but has ${size} in all`);
  const claims = Math.max(values, rows);
  if (claims > mostValues.perByte * size + mostValues.more)
    throw new Error(`it claims ${claims} values in ${size} bytes`);
}

function checkCodecs(group: RowGroup, columns: readonly ParquetColumn[], bad: (problem: string) => SoulError): void {
  for (const chunk of group.columns) {
    const { meta_data: meta, crypto_metadata: encryption } = chunk;
    const name = shortName(String(meta?.path_in_schema[0] ?? ''));
    if (meta === undefined || encryption !== undefined) throw bad('is encrypted, which is not read; decrypt it first');
    if (!columns.some(({ path }) => isSame(path, meta.path_in_schema))) continue;
    const codec = String(meta.codec);
    if (isReadable(codec)) continue;
    const newer = codec === 'ZSTD' ? ', or use Node 22.15 or newer, which reads zstd' : '';
    throw bad(
      `is compressed by ${codec.toLowerCase()} (column ${name}); ${readableCodecs.join(', ')} are read: write it again so (pandas: to_parquet(path, compression="snappy"))${newer}`,
    );
  }
}

/** The pages of the columns that are read, before they are decoded. */
async function checkGroup(
  { columns: chunks, num_rows: rows }: RowGroup,
  columns: readonly ParquetColumn[],
  slice: (start: number, end: number) => Promise<ArrayBuffer>,
): Promise<void> {
  for (const column of columns) {
    const own = chunks.filter(({ meta_data: meta }) => meta && isSame(column.path, meta.path_in_schema));
    const [chunk] = own;
    if (own.length !== 1 || chunk === undefined) throw new Error(`${own.length} columns ${column.path.join('.')}`);
    const meta = chunk.meta_data!;
    if (meta.num_values < rows) throw new Error('more rows than values');
    const start = meta.dictionary_page_offset || meta.data_page_offset;
    const bytes = await slice(Number(start), Number(start + meta.total_compressed_size));
    const { codec } = meta;
    if (!isReadable(codec) || meta.type !== column.type) throw new Error(`the column ${column.path.join('.')}`);
    const { maximumDefinition, maximumRepetition, type } = column;
    const shape = { codec, type, maximumDefinition, maximumRepetition, values: Number(meta.num_values) };
    checkPages(new Uint8Array(bytes), shape);
  }
}

function isSame(path: readonly string[], other: readonly string[]): boolean {
  return path.length === other.length && path.every((name, i) => name === other[i]);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes that are no text stay what they are, and are refused where a text is wanted. */
function textOf(bytes: Uint8Array): string | Uint8Array {
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes;
  }
}

const timeOf = (milliseconds: number): string | null => {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
};

const parsers = {
  stringFromBytes: textOf,
  dateFromDays: (days: number) => timeOf(days * 86_400_000)?.replace(/T.*/, '') ?? null,
  timestampFromMilliseconds: (time: bigint) => timeOf(Number(time)),
  timestampFromMicroseconds: (time: bigint) => timeOf(Number(time / 1000n)),
  timestampFromNanoseconds: (time: bigint) => timeOf(Number(time / 1_000_000n)),
};

/** A value without what JSON does not have. */
function plain(value: unknown, onText: (length: number) => void): unknown {
  if (typeof value === 'string') {
    onText(value.length);
    return value;
  }
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  if (typeof value === 'number') return Number.isNaN(value) ? null : value;
  if (Array.isArray(value)) return value.map((each) => plain(each, onText));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value ?? null;
  const entries = Object.entries(value).map(([name, each]) => [name, plain(each, onText)] as const);
  return Object.fromEntries(entries.filter(([, each]) => each !== null));
}
