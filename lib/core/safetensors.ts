/**
 * Safetensors files: reading tensors one by one, and writing whole files.
 *
 * @see https://github.com/huggingface/safetensors
 * @module
 */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { allocate } from './allocate.ts';
import { asSoulError, invalidArgument, SoulError } from './errors.ts';
import { isLfsPointer, lfsPointer, replaceFileBy } from './files.ts';
import {
  badFile,
  parseHeader,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsTensor,
  safetensorsElementBytes,
} from './safetensors-header.ts';
import { elementCount, isShape } from './shape.ts';

export { type SafetensorsDType, type SafetensorsTensor, safetensorsElementBytes } from './safetensors-header.ts';

/** An open file; nothing of the tensors is read before it is asked for. */
export interface SafetensorsFile {
  readonly path: string;
  /** In the order of the file's bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The bytes of one tensor. */
  read(name: string): Promise<Uint8Array>;
  /** Reads one tensor into memory of exactly its size. */
  readInto(name: string, target: ArrayBufferView): Promise<void>;
  /** Reads as many bytes of a tensor as `target` has, from the byte `begin` of it on. */
  readPart(name: string, begin: number, target: ArrayBufferView): Promise<void>;
  close(): Promise<void>;
}

/** A tensor to be written. */
export interface SafetensorsSource {
  name: string;
  dtype: SafetensorsDType;
  shape: readonly number[];
  /**
   * Exactly the tensor's bytes, or a function that makes them when their turn comes, so that one is held at a time; whole, or in
   * pieces, each of which is written before the next is asked for.
   */
  data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView> | AsyncIterable<ArrayBufferView>);
}

const longestHeader = 100_000_000;
const chunkBytes = 2 ** 26;

/**
 * Opens a file and checks its whole header. Tensors may be of any element type: whoever reads one looks at its `dtype`.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_FILE_SYSTEM; SOUL_BAD_FILE when the header is damaged, tensors overlap, leave gaps or
 *   don't fit the file
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  // Not to wait where a pipe stands in a file's place.
  const file = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = await file.stat();
    if (status.isDirectory()) throw badFile(path, 'it is a folder');
    if (!status.isFile()) throw badFile(path, 'it is no ordinary file');
    const { size } = status;
    const { header, dataBegin } = await readHeader(file, path, size);
    const { entries, metadata } = parseHeader(header, path, size - dataBegin);
    return safetensorsFile(file, path, entries, metadata, dataBegin);
  } catch (error) {
    await file.close();
    throw error instanceof SoulError ? error : fileError(error, path);
  }
}

/**
 * Writes a file beside `path` and renames it, so that nobody ever sees half of one.
 *
 * @param tensors written one after the other, the widest elements first so that each is aligned
 * @throws SoulError SOUL_INVALID_ARGUMENT for names used twice and sizes that don't fit; SOUL_NOT_FOUND for a folder
 *   that isn't there; SOUL_FILE_SYSTEM for one that cannot be written to
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<SafetensorsSource>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const sources = [...tensors].map((tensor) => ({ ...tensor, byteLength: sizeOf(tensor) }));
  sources.sort((a, b) => safetensorsElementBytes[b.dtype] - safetensorsElementBytes[a.dtype]);
  const header = encodeHeader(sources, metadata);

  if (typeof path !== 'string') throw invalidArgument('path', 'the path of a file', path);
  const write = async (beside: string): Promise<void> => {
    const file = await openFile(beside, 'wx');
    try {
      let position = await writeAll(file, header, 0);
      for (const { name, data, byteLength } of sources) {
        const begin = position;
        for await (const bytes of piecesOf(await (typeof data === 'function' ? data() : data))) {
          position = await writeAll(file, bytes, position);
        }
        if (position - begin !== byteLength) {
          throw invalidArgument(`the data of tensor ${name}`, `${byteLength} bytes long`, position - begin);
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
  };
  try {
    await replaceFileBy(path, write);
  } catch (error) {
    throw error instanceof SoulError ? error : fileError(error, path);
  }
}

function safetensorsFile(
  file: FileHandle,
  path: string,
  entries: readonly SafetensorsEntry[],
  metadata: Record<string, string>,
  dataBegin: number,
): SafetensorsFile {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const find = (name: string): SafetensorsEntry => {
    const entry = byName.get(name);
    if (entry) return entry;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${path} has no tensor named ${name}`, { argument: 'name', name });
  };
  const readInto = async (name: string, target: ArrayBufferView): Promise<void> => {
    const entry = find(name);
    if (!ArrayBuffer.isView(target) || target.byteLength !== entry.byteLength) {
      throw invalidArgument('target', `a typed array of ${entry.byteLength} bytes, the size of tensor ${name}`, target);
    }
    await readAll(file, path, bytesOf(target), dataBegin + entry.begin);
  };
  const readPart = async (name: string, begin: number, target: ArrayBufferView): Promise<void> => {
    const entry = find(name);
    if (!ArrayBuffer.isView(target) || begin < 0 || begin + target.byteLength > entry.byteLength) {
      throw invalidArgument('target', `a typed array within the ${entry.byteLength} bytes of tensor ${name}`, target);
    }
    await readAll(file, path, bytesOf(target), dataBegin + entry.begin + begin);
  };
  return {
    path,
    tensors: new Map(entries.map(({ name, dtype, shape, byteLength }) => [name, { dtype, shape, byteLength }])),
    metadata,
    readInto,
    readPart,
    async read(name) {
      const { byteLength } = find(name);
      const bytes = allocate(byteLength, () => new Uint8Array(byteLength));
      await readInto(name, bytes);
      return bytes;
    },
    close: () => file.close(),
  };
}

async function readHeader(
  file: FileHandle,
  path: string,
  size: number,
): Promise<{ header: string; dataBegin: number }> {
  if (size < 8) throw badFile(path, `it has ${size} bytes, too few for a safetensors file`);
  const prefix = new Uint8Array(8);
  await readAll(file, path, prefix, 0);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > longestHeader) {
    const start = new Uint8Array(Math.min(size, 64));
    await readAll(file, path, start, 0);
    const text = new TextDecoder('latin1').decode(start);
    if (isLfsPointer(text)) throw new SoulError('SOUL_BAD_FILE', `${path} ${lfsPointer}`, { path });
    if (text.startsWith('PK'))
      throw badFile(path, 'it is a ZIP archive, as torch.save writes them; convert it to safetensors');
    throw badFile(path, `it claims a header of ${length} bytes, more than ${longestHeader}; is it a safetensors file?`);
  }
  const headerBytes = Number(length);
  if (headerBytes > size - 8)
    throw badFile(path, `its header of ${headerBytes} bytes ends after the file of ${size} bytes`);
  const bytes = new Uint8Array(headerBytes);
  await readAll(file, path, bytes, 8);
  try {
    return {
      header: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
      dataBegin: 8 + headerBytes,
    };
  } catch {
    throw badFile(path, 'its header is not UTF-8');
  }
}

function sizeOf({ name, dtype, shape }: SafetensorsSource): number {
  if (typeof name !== 'string' || name === '__metadata__') {
    throw invalidArgument('the name of a tensor', "a string other than '__metadata__'", name);
  }
  if (!Object.hasOwn(safetensorsElementBytes, dtype)) {
    throw invalidArgument(
      `the dtype of tensor ${name}`,
      `one of ${Object.keys(safetensorsElementBytes).join(', ')}`,
      dtype,
    );
  }
  if (!isShape(shape))
    throw invalidArgument(`the shape of tensor ${name}`, 'an array of integers of at least 0', shape);
  return elementCount(shape) * safetensorsElementBytes[dtype];
}

function encodeHeader(
  sources: readonly (SafetensorsSource & { byteLength: number })[],
  metadata: Record<string, string>,
): Uint8Array {
  const names = new Set<string>();
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let end = 0;
  for (const { name, dtype, shape, byteLength } of sources) {
    if (names.has(name)) throw new SoulError('SOUL_INVALID_ARGUMENT', `two tensors are named ${name}`, { name });
    names.add(name);
    const entry = { dtype, shape, data_offsets: [end, end + byteLength] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    end += byteLength;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  // Spaces up to a multiple of 8, so that the tensors are aligned in the file.
  const length = Math.ceil(json.length / 8) * 8;
  if (length > longestHeader)
    throw invalidArgument('tensors', `few enough for a header of ${longestHeader} bytes`, sources);
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

async function* piecesOf(data: ArrayBufferView | AsyncIterable<ArrayBufferView>): AsyncGenerator<Uint8Array> {
  if (!(Symbol.asyncIterator in data)) yield bytesOf(data);
  else for await (const piece of data) yield bytesOf(piece);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  try {
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  } catch (cause) {
    throw new SoulError(
      'SOUL_DETACHED',
      'the memory of a tensor was detached; give an array that has it',
      {},
      { cause },
    );
  }
}

async function openFile(path: string, flags: string | number): Promise<FileHandle> {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw invalidArgument('path', 'the path of a file', path);
  try {
    return await open(path, flags);
  } catch (error) {
    throw fileError(error, path);
  }
}

async function readAll(file: FileHandle, path: string, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(chunkBytes, target.length - done);
    const { bytesRead } = await file.read(target, done, length, position + done).catch((error: unknown) => {
      throw fileError(error, path);
    });
    if (bytesRead === 0) throw badFile(path, 'it was cut off while it was read');
    done += bytesRead;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(chunkBytes, bytes.length - done);
    done += (await file.write(bytes, done, length, position + done)).bytesWritten;
  }
  return position + bytes.length;
}

function fileError(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') {
    return new SoulError('SOUL_NOT_FOUND', `${path} or its folder does not exist`, { path }, { cause: error });
  }
  if (code === 'EISDIR') return badFile(path, 'it is a folder');
  return asSoulError(error);
}
