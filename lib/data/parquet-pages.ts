/**
 * The pages of a Parquet column, checked before they are decoded: the decoder takes the counts in them on trust, and a count of four
 * bytes can ask for gigabytes.
 *
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/
 * @module
 */

import { snappyUncompress } from 'hyparquet';
import { type Codec, decompress, largestPage } from './parquet-codecs.ts';
import { readThrift, ThriftError, type ThriftStruct } from './parquet-thrift.ts';

/** What is known of a column before its pages are read. */
export interface ColumnShape {
  readonly codec: Codec;
  /** As the schema has it: `INT64`, `BYTE_ARRAY`. */
  readonly type: string;
  readonly maximumDefinition: number;
  readonly maximumRepetition: number;
  /** Values in all its pages, nulls counted. */
  readonly values: number;
}

/** Numbers of the format. */
const pageTypes = { data: 0, dictionary: 2, dataV2: 3 } as const;
const encodings = {
  plain: 0,
  plainDictionary: 2,
  runs: 3,
  delta: 5,
  deltaLength: 6,
  runsDictionary: 8,
  split: 9,
} as const;

/** Of the others, those that writers may be told to use. */
const unread: Readonly<Record<number, string>> = { 7: 'DELTA_BYTE_ARRAY', 9: 'BYTE_STREAM_SPLIT', 10: 'ALP' };

/** Writers pack values by at most so many, and fill up the last pack. */
const longestPack = 512;

/** Bytes behind the differences of a page. */
const longestTail = 4096;

/**
 * Walks the pages of one column of a row group.
 *
 * @param bytes of the column
 * @throws ThriftError for pages that claim what cannot be
 */
export function checkPages(bytes: Uint8Array, shape: ColumnShape): void {
  let seen = 0;
  let offset = 0;
  while (offset < bytes.length - 1) {
    const { value: header, end } = readThrift(bytes, offset);
    const [type, size, packed] = [1, 2, 3].map((id) => header.get(id)) as (number | undefined)[];
    if (!isCount(size) || !isCount(packed) || packed > bytes.length - end) {
      throw new ThriftError('has a page that is longer than its column');
    }
    if (size > largestPage(shape.codec, packed)) throw new ThriftError('has a page that claims to be too long');
    const content = bytes.subarray(end, end + packed);
    offset = end + packed;
    if (type === pageTypes.dictionary) {
      const values = countOf(structOf(header, 7), 1);
      if (values > 8 * size) throw new ThriftError('has a dictionary of more values than it has bytes');
      continue;
    }
    const isV2 = type === pageTypes.dataV2;
    if (type !== pageTypes.data && !isV2) throw new ThriftError(`has a page of the unknown type ${type}`);
    const page = structOf(header, isV2 ? 8 : 5);
    const values = countOf(page, 1);
    seen += values;
    if (seen > shape.values) throw new ThriftError('has more values in its pages than it says');
    if (isV2) checkPageV2(content, size, page, values, shape);
    else checkPage(uncompressed(content, size, shape.codec), page, values, shape);
  }
}

function checkPage(content: Uint8Array, page: ThriftStruct, values: number, shape: ColumnShape): void {
  let offset = 0;
  for (const maximum of [shape.maximumRepetition, shape.maximumDefinition]) {
    if (maximum === 0) continue;
    if (content.length < offset + 4) throw new ThriftError('has a page that ends in its levels');
    const length = viewOf(content).getUint32(offset, true);
    offset += 4;
    if (length > content.length - offset) throw new ThriftError('has a page that ends in its levels');
    checkRuns(content, offset, widthOf(maximum), values);
    offset += length;
  }
  checkValues(content, offset, page.get(2), values, shape.type);
}

function checkPageV2(
  content: Uint8Array,
  size: number,
  page: ThriftStruct,
  values: number,
  { codec, type, maximumDefinition, maximumRepetition }: ColumnShape,
): void {
  const [nulls, rows, definitions, repetitions] = [2, 3, 5, 6].map((id) => countOf(page, id)) as [
    number,
    number,
    number,
    number,
  ];
  const levels = definitions + repetitions;
  if (nulls > values || rows > values || levels > content.length || levels > size) {
    throw new ThriftError('has a page whose counts do not fit together');
  }
  if (maximumRepetition > 0) checkRuns(content, 0, widthOf(maximumRepetition), values);
  if (maximumDefinition > 0) checkRuns(content, repetitions, widthOf(maximumDefinition), values);
  const rest = content.subarray(levels);
  const isPacked = page.get(7) !== false && size > levels;
  checkValues(isPacked ? uncompressed(rest, size - levels, codec) : rest, 0, page.get(4), values, type);
}

function uncompressed(bytes: Uint8Array, size: number, codec: Codec): Uint8Array {
  if (codec === 'UNCOMPRESSED') return bytes;
  if (codec !== 'SNAPPY') return decompress(codec, bytes, size);
  const content = new Uint8Array(size);
  snappyUncompress(bytes, content);
  return content;
}

function checkValues(content: Uint8Array, offset: number, encoding: unknown, values: number, type: string): void {
  switch (encoding) {
    case encodings.plain:
      return;
    case encodings.deltaLength:
      checkDelta(content, offset, values);
      return;
    case encodings.delta:
      if (content.length - checkDelta(content, offset, values) > longestTail) {
        throw new ThriftError('has a page with more bytes than its values take');
      }
      return;
    case encodings.split:
      if (type !== 'FIXED_LEN_BYTE_ARRAY') return;
      break;
    case encodings.runs:
      if (type !== 'BOOLEAN') break;
      checkRuns(content, offset + 4, 1, values);
      return;
    case encodings.plainDictionary:
    case encodings.runsDictionary: {
      if (type === 'BOOLEAN') break;
      const width = content[offset] ?? 0;
      if (width > 32) throw new ThriftError(`has indices of ${width} bits`);
      checkRuns(content, offset + 1, width, values);
      return;
    }
  }
  const name = typeof encoding === 'number' ? (unread[encoding] ?? encoding) : 'that is none';
  throw new ThriftError(
    `has pages in the encoding ${name}; write it again in plain or dictionary encoding, as is usual`,
  );
}

/** Runs of one value, and packs of several: none may hold more than there are. What the walk leaves out, is out of the bytes. */
function checkRuns(content: Uint8Array, start: number, width: number, values: number): void {
  let [offset, seen] = [start, 0];
  while (seen < values && offset < content.length) {
    const [header, next] = variable(content, offset);
    offset = next;
    const isPack = header % 2 === 1;
    const count = Math.floor(header / 2) * (isPack ? 8 : 1);
    const most = values - seen + (isPack ? longestPack : 0);
    if (count > most || (isPack && (width === 0 || count === 0))) {
      throw new ThriftError('has a run of more values than its page');
    }
    seen += count;
    offset += isPack ? (count * width) / 8 : Math.ceil(width / 8);
  }
}

/** Differences in blocks, whose numbers the format bounds; gives the offset behind them. */
function checkDelta(content: Uint8Array, start: number, values: number): number {
  let offset = start;
  const next = (longest?: number): number => {
    const [value, end] = variable(content, offset, longest);
    offset = end;
    return value;
  };
  const [block, parts] = [next(), next()];
  const perPart = block / parts;
  if (parts === 0 || block % 128 !== 0 || perPart % 32 !== 0 || block === 0) {
    throw new ThriftError('has differences in blocks of a size that the format does not have');
  }
  const count = next();
  if (count > values) throw new ThriftError('has more differences than values');
  next(10);
  for (let seen = 1; seen < count; ) {
    next(10);
    const widths = content.subarray(offset, offset + parts);
    if (widths.length < parts) throw new ThriftError('has a page that ends in its differences');
    offset += parts;
    for (const width of widths) {
      if (seen >= count) break;
      if (width > 64) throw new ThriftError(`has differences of ${width} bits`);
      offset += (perPart * width) / 8;
      seen += perPart;
    }
  }
  return offset;
}

/** An unsigned integer of 7 bits a byte, below 2^31 where it is of 32 bits, and the offset behind it. */
function variable(content: Uint8Array, start: number, longest = 5): [value: number, end: number] {
  let value = 0;
  for (let i = 0; i < longest; i++) {
    const byte = content[start + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    if (longest === 5 && value > 0x7fffffff) break;
    return [value, start + i + 1];
  }
  throw new ThriftError('has a page with a count that is none');
}

function structOf(header: ThriftStruct, id: number): ThriftStruct {
  const value = header.get(id);
  if (value instanceof Map) return value;
  throw new ThriftError('has a page that does not say how many values it has');
}

function countOf(struct: ThriftStruct, id: number): number {
  const value = struct.get(id);
  if (isCount(value)) return value;
  throw new ThriftError('has a page with a count that is none');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bits of a level. */
function widthOf(maximum: number): number {
  return 32 - Math.clz32(maximum);
}
