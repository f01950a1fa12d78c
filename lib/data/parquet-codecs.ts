/**
 * How the pages of a Parquet file may be compressed: what Node brings, and snappy of the Parquet reader's own.
 *
 * @module
 */

import * as zlib from 'node:zlib';
import type { ParquetReadOptions } from 'hyparquet';
import { ThriftError } from './parquet-thrift.ts';

/** Codecs that are read. */
export type Codec = 'UNCOMPRESSED' | 'SNAPPY' | PackedCodec;

type PackedCodec = 'GZIP' | 'BROTLI' | 'ZSTD';

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** Node has Zstandard from 22.15 on. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: Decompress };

const packed: Readonly<Partial<Record<PackedCodec, Decompress>>> = {
  GZIP: zlib.gunzipSync,
  BROTLI: zlib.brotliDecompressSync,
  ...(zstdDecompressSync === undefined ? {} : { ZSTD: zstdDecompressSync }),
};

export function isReadable(codec: string): codec is Codec {
  return codec === 'UNCOMPRESSED' || codec === 'SNAPPY' || Object.hasOwn(packed, codec);
}

/** Codecs that are read, in words. */
export const readableCodecs: readonly string[] = ['snappy', ...Object.keys(packed).map((name) => name.toLowerCase())];

/** Uncompressed bytes that a page may claim to have: in snappy, a copy of 64 bytes takes 3. */
export function largestPage(codec: Codec, bytes: number): number {
  if (codec === 'UNCOMPRESSED') return bytes;
  return codec === 'SNAPPY' ? 22 * bytes + 64 : Math.max(2 ** 24, 1100 * bytes);
}

/**
 * @param size bytes that come of it
 * @throws ThriftError where others come of it; what the system says of damaged ones
 */
export function decompress(codec: PackedCodec, bytes: Uint8Array, size: number): Uint8Array {
  const content = packed[codec]!(bytes, { maxOutputLength: Math.max(1, size) });
  if (content.length !== size) throw new ThriftError('has a page of another length than it says');
  return content;
}

/** For the Parquet reader. */
export const compressors: NonNullable<ParquetReadOptions['compressors']> = Object.fromEntries(
  (Object.keys(packed) as PackedCodec[]).map((codec) => [
    codec,
    (bytes: Uint8Array, size: number) => decompress(codec, bytes, size),
  ]),
);
