/**
 * Masks of frozen weights: bit i % 8 of byte i / 8 stands for weight i, set where it is frozen; bits past the last weight
 * are 0.
 *
 * @module
 */

import { nativeAddon } from './addon.ts';
import { checkInteger } from './checks.ts';
import { invalidArgument } from './errors.ts';
import { checkLength, checkSameLength, FlatBuffer, nativeMemory, otherDtype } from './flat-buffer.ts';

/** A run of weights; parameter groups are such. */
export interface WeightRange {
  /** First weight. */
  readonly start: number;
  /** Number of weights. */
  readonly length: number;
}

/**
 * The mask that freezes the weights of some ranges, which may overlap; on the CPU. A mask lies on the device of the weights,
 * where `copyFrom` brings it.
 *
 * @param length number of weights in all
 * @throws SoulError SOUL_INVALID_ARGUMENT, also for a range that ends past `length`; SOUL_OUT_OF_MEMORY
 *
 * @example
 * const frozen = maskOfRanges(values.length, [{ start: 0, length: embeddings }]);
 * const onDevice = FlatBuffer.alloc(frozen.length, { dtype: 'u8', device: 'cuda' });
 * await onDevice.copyFrom(frozen);
 */
export function maskOfRanges(length: number, ranges: readonly WeightRange[]): FlatBuffer<'u8'> {
  checkLength(length, 'length');
  if (!Array.isArray(ranges)) throw invalidArgument('ranges', 'an array of { start, length }', ranges);
  const checked = Array.from(ranges, (range) => checkRange(range, length));
  const mask = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8' });
  const bytes = mask.array;
  for (const { start, length: count } of checked) setBits(bytes, start, start + count);
  return mask;
}

/**
 * The mask that freezes every weight whose element of a buffer is 0 (or -0): for instance rows of an embedding that no
 * batch has touched, by their curvature. It lies on the buffer's device. Runs when its turn comes.
 *
 * @param buffer of dtype `f32` or `bf16`, an element for each weight
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_DETACHED, SOUL_OUT_OF_MEMORY
 *
 * @example
 * const frozen = await maskWhereZero(sophia.state.hessian);
 */
export async function maskWhereZero(buffer: FlatBuffer): Promise<FlatBuffer<'u8'>> {
  const memory = nativeMemory(buffer, 'buffer');
  if (buffer.dtype !== 'f32' && buffer.dtype !== 'bf16') throw otherDtype('buffer', 'f32 or bf16', buffer.dtype);
  const mask = FlatBuffer.alloc(Math.ceil(buffer.length / 8), { dtype: 'u8', device: buffer.device });
  await nativeAddon().maskZeros(memory, nativeMemory(mask, 'mask'));
  return mask;
}

/**
 * The mask that freezes what either of two freezes, on the device of the first.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for masks of different lengths; SOUL_RELEASED, SOUL_OUT_OF_MEMORY
 */
export async function maskUnion(first: FlatBuffer<'u8'>, second: FlatBuffer<'u8'>): Promise<FlatBuffer<'u8'>> {
  checkSameLength('second', second.length, first.length);
  const [a, b] = await Promise.all([onHost(first), onHost(second)]);
  for (const [i, byte] of b.array.entries()) a.array[i]! |= byte;
  const union = FlatBuffer.alloc(first.length, { dtype: 'u8', device: first.device });
  await union.copyFrom(a);
  return union;
}

/** Whether a mask freezes the weight of an index; without a mask none is frozen. Reads the mask once. */
export async function frozenTest(mask: FlatBuffer<'u8'> | undefined): Promise<(index: number) => boolean> {
  if (mask === undefined) return () => false;
  const bits = (await onHost(mask)).array;
  return (index) => (bits[index >>> 3]! & (1 << (index & 7))) !== 0;
}

async function onHost(mask: FlatBuffer<'u8'>): Promise<FlatBuffer<'u8'>> {
  const copy = FlatBuffer.alloc(mask.length, { dtype: 'u8' });
  await copy.copyFrom(mask);
  return copy;
}

function checkRange(range: WeightRange, total: number): WeightRange {
  if (typeof range !== 'object' || range === null) throw invalidArgument('ranges', 'of { start, length }', range);
  const { start, length } = range;
  checkInteger('start', start, { low: 0, high: total });
  checkInteger('length', length, { low: 0, high: total - start });
  return { start, length };
}

/** Sets bits from `start` to before `end`. */
function setBits(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) return;
  const first = Math.floor(start / 8);
  const last = Math.floor((end - 1) / 8);
  const fromStart = (0xff << (start % 8)) & 0xff;
  const toEnd = 0xff >> (7 - ((end - 1) % 8));
  if (first === last) {
    bytes[first]! |= fromStart & toEnd;
    return;
  }
  bytes[first]! |= fromStart;
  bytes.fill(0xff, first + 1, last);
  bytes[last]! |= toEnd;
}
