/**
 * The header of a safetensors file: what it may say, and whether it is true of the file.
 *
 * @module
 */

import { SoulError, shortMessage, shortName } from './errors.ts';
import { isObject, measureJson } from './json.ts';
import { elementCount, isShape, shapeText } from './shape.ts';

/** Bytes of one element of the types that are written, by the name that the file format uses. */
export const safetensorsElementBytes = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** An element type that is written; files that are read may hold others. */
export type SafetensorsDType = keyof typeof safetensorsElementBytes;

/** Bits of one element of every type that version 0.8 of the format has. */
const elementBits: ReadonlyMap<string, number> = new Map([
  ...Object.entries(safetensorsElementBytes).map(([dtype, bytes]): [string, number] => [dtype, 8 * bytes]),
  ['U64', 64],
  ['C64', 64],
  ['U32', 32],
  ['U16', 16],
  ['F8_E4M3', 8],
  ['F8_E5M2', 8],
  ['F8_E8M0', 8],
  ['F8_E4M3FNUZ', 8],
  ['F8_E5M2FNUZ', 8],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['F4', 4],
]);

/** What the header says of one tensor. */
export interface SafetensorsTensor {
  /** As the file names it. Of one that the format did not have when this was written nothing is known but its bytes. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** A tensor and where its bytes begin, counted from the end of the header. */
export interface SafetensorsEntry extends SafetensorsTensor {
  readonly name: string;
  readonly begin: number;
}

/**
 * The tensors that a header names, in the order of the file's bytes, which are all there and each of one tensor.
 *
 * @param dataBytes that follow the header
 * @throws SoulError SOUL_BAD_FILE
 */
export function parseHeader(
  header: string,
  path: string,
  dataBytes: number,
): { entries: SafetensorsEntry[]; metadata: Record<string, string> } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(header);
  } catch (error) {
    throw badFile(path, `its header is not JSON: ${shortMessage(error)}`);
  }
  if (!isObject(parsed)) throw badFile(path, 'its header is not a JSON object');
  // Of two entries of one name, readers may take either.
  if (measureJson(header).keys !== countKeys(parsed)) throw badFile(path, 'its header has a name twice');
  let metadata: Record<string, string> = {};
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (name !== '__metadata__') {
      entries.push(parseEntry(name, value, path));
      continue;
    }
    // Some writers say so that there is none.
    if (value === null) continue;
    if (!isObject(value)) throw badFile(path, 'its __metadata__ is not an object');
    const wrong = Object.keys(value).find((key) => typeof value[key] !== 'string');
    if (wrong !== undefined) throw badFile(path, `its __metadata__.${shortName(wrong)} is not a string`);
    metadata = value as Record<string, string>;
  }
  entries.sort((a, b) => a.begin - b.begin || a.byteLength - b.byteLength);
  let end = 0;
  for (const { name, begin, byteLength } of entries) {
    if (begin !== end) {
      throw badFile(
        path,
        `tensor ${shortName(name)} begins at byte ${begin}, where ${end} was due: tensors overlap or leave a gap`,
      );
    }
    end = begin + byteLength;
  }
  if (end !== dataBytes)
    throw badFile(path, `its tensors need ${end} bytes, but it holds ${dataBytes}: it was cut off or extended`);
  return { entries, metadata };
}

function parseEntry(name: string, value: unknown, path: string): SafetensorsEntry {
  if (!isObject(value)) throw badFile(path, `its entry for tensor ${shortName(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw badFile(path, `tensor ${shortName(name)} has no valid dtype`);
  if (!isShape(shape)) throw badFile(path, `tensor ${shortName(name)} has no valid shape`);
  if (!isShape(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw badFile(path, `tensor ${shortName(name)} has no valid data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const byteLength = end - begin;
  const bits = elementBits.get(dtype);
  const needed = bits === undefined ? byteLength : (elementCount(shape) * bits) / 8;
  if (byteLength !== needed) {
    throw badFile(
      path,
      `tensor ${shortName(name)} of shape ${shapeText(shape)} and dtype ${shortName(dtype)} needs ${needed} bytes, but has ${byteLength}`,
    );
  }
  return { name, dtype, shape, byteLength, begin };
}

/** Keys of all objects in a value. */
function countKeys(value: unknown): number {
  let count = 0;
  // No calls of itself: a header may be nested as deep as it is long.
  const open: unknown[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const inner = Object.values(next);
    if (!Array.isArray(next)) count += inner.length;
    for (const each of inner) if (typeof each === 'object') open.push(each);
  }
  return count;
}

/** The error of a file that is damaged, or none of the format. */
export function badFile(path: string, reason: string): SoulError {
  return new SoulError('SOUL_BAD_FILE', `${path} cannot be read: ${reason}`, { path });
}
