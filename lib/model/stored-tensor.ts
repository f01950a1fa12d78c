/**
 * Tensors of safetensors files as places of a layout.
 *
 * @module
 */

import { SoulError, shortName } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { hostPieces, pieceElements } from '../core/host-pieces.ts';
import { type SafetensorsFile, type SafetensorsTensor, writeSafetensors } from '../core/safetensors.ts';
import { elementCount, shapeText } from '../core/shape.ts';
import type { ParameterLayout, ParameterPlace } from './parameter-layout.ts';
import { widenHalf } from './widen.ts';

/** What a model's weights can be held in. */
export type WeightDType = 'f32' | 'bf16';

/** A tensor in an open file, by the file's name for it. */
export interface StoredTensor extends SafetensorsTensor {
  readonly file: SafetensorsFile;
  readonly name: string;
}

/** Element types of weights that are read. */
const readable: ReadonlySet<string> = new Set(['F32', 'BF16', 'F16']);

export function tensorsOf(file: SafetensorsFile): StoredTensor[] {
  return Array.from(file.tensors, ([name, tensor]) => ({ ...tensor, file, name }));
}

/** @throws SoulError SOUL_UNSUPPORTED for element types that are not read */
export function checkElementTypes(folder: string, tensors: readonly StoredTensor[]): void {
  const unreadable = tensors.filter(({ dtype }) => !readable.has(dtype));
  if (unreadable.length === 0) return;
  const named = enumerate(
    unreadable.map(({ name, dtype }) => `${shortName(name)} is ${shortName(dtype)}`),
    ', ',
  );
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${folder}: ${named}; weights are read from F32, BF16 and F16: convert the model to one of them, or get it unquantised`,
    { name: unreadable[0]!.name },
  );
}

/**
 * A sentence where a tensor does not have its place's shape.
 *
 * @param giver what says so
 */
export function shapeProblems({ name, shape }: StoredTensor, place: ParameterPlace, giver = 'config.json'): string[] {
  const same = shape.length === place.shape.length && shape.every((extent, i) => extent === place.shape[i]);
  return same ? [] : [`${shortName(name)} has shape ${shapeText(shape)}, but ${giver} gives [${place.shape}]`];
}

/** Reads a tensor into memory of as many elements, widened or rounded to its dtype. */
export async function readTensor({ file, name, dtype }: StoredTensor, target: FlatBuffer<WeightDType>): Promise<void> {
  const bytes = await file.read(name);
  const { buffer, byteOffset } = bytes;
  if (dtype === 'F16') await target.copyFrom(FlatBuffer.from(widenHalf(bytes)));
  else if (dtype === 'F32') await target.copyFrom(FlatBuffer.from(new Float32Array(buffer, byteOffset, target.length)));
  else await target.copyFrom(FlatBuffer.from(new Uint16Array(buffer, byteOffset, target.length)));
}

/** The part of `values` that a place is. */
export function viewOf(values: FlatBuffer<WeightDType>, { offset, shape }: ParameterPlace): FlatBuffer<WeightDType> {
  return values.view(offset, elementCount(shape));
}

/**
 * Writes every parameter of `layout` to a file in the dtype of `values`, beside and renamed. No more than 16 MiB at a time are copied;
 * work on `values` that was called before comes first.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_FILE_SYSTEM
 */
export async function writeTensors(
  path: string,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
): Promise<void> {
  const largest = Math.max(...Array.from(layout, ([, { shape }]) => elementCount(shape)));
  // One for all: copies of their own lie about until the garbage collector comes, a whole model of them.
  const beside = FlatBuffer.alloc(Math.min(largest, pieceElements), { dtype: values.dtype });
  const tensors = [...layout].map(([name, place]) => ({
    name,
    dtype: values.dtype === 'f32' ? ('F32' as const) : ('BF16' as const),
    shape: place.shape,
    data: () => hostPieces(viewOf(values, place), beside),
  }));
  await writeSafetensors(path, tensors, { format: 'pt' });
}

/** The first items, and how many more there are. */
export function enumerate(items: readonly string[], separator: string, limit = 8): string {
  const shown = items.slice(0, limit).join(separator);
  return items.length > limit ? `${shown}${separator}and ${items.length - limit} more` : shown;
}
