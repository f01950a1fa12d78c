/**
 * Masks of frozen weights: bit i % 8 of byte i / 8 stands for weight i, set where it is frozen; bits past the last weight
 * are 0.
 *
 * @module
 */

import { type NativeMemory, nativeAddon } from './addon.ts';
import { checkInteger } from './checks.ts';
import { checkSameDevice, type Device } from './devices.ts';
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
  nativeMemory(buffer, 'buffer');
  const mask = FlatBuffer.alloc(Math.ceil(buffer.length / 8), { dtype: 'u8', device: buffer.device });
  await markZeros(buffer, mask);
  return mask;
}

/** {@link maskWhereZero} into a mask that is there. */
export async function markZeros(buffer: FlatBuffer, mask: FlatBuffer<'u8'>): Promise<void> {
  const memory = nativeMemory(buffer, 'buffer');
  if (buffer.dtype !== 'f32' && buffer.dtype !== 'bf16') throw otherDtype('buffer', 'f32 or bf16', buffer.dtype);
  return nativeAddon().maskZeros(memory, nativeMask('mask', mask, buffer));
}

/**
 * The mask that freezes what either of two freezes, on the device of the first.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what are no masks of one length; SOUL_RELEASED, SOUL_OUT_OF_MEMORY
 */
export async function maskUnion(first: FlatBuffer<'u8'>, second: FlatBuffer<'u8'>): Promise<FlatBuffer<'u8'>> {
  checkMask('first', first);
  checkMask('second', second);
  checkSameLength('second', second.length, first.length);
  const [a, b] = await Promise.all([copyOfMask(first, 'cpu'), copyOfMask(second, 'cpu')]);
  const [own, other] = [a.array, b.array];
  for (let i = 0; i < own.length; i++) own[i]! |= other[i]!;
  return first.device === 'cpu' ? a : copyOfMask(a, first.device);
}

/**
 * Sets the elements of frozen weights to a value, rounded to the dtype as `copyFrom` rounds, whatever they were; the others stay
 * as they are. On the threads or the device of the buffer, when its turn comes.
 *
 * @param buffer of dtype `f32` or `bf16`, an element for each weight
 * @param frozen the weights' mask, on the buffer's device
 * @param value may be NaN or infinite
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_DETACHED
 *
 * @example
 * await fillFrozen(gradients, frozen, 0); // norms and inner products are of the others
 */
export async function fillFrozen(buffer: FlatBuffer, frozen: FlatBuffer<'u8'>, value: number): Promise<void> {
  const memory = nativeMemory(buffer, 'buffer');
  if (buffer.dtype !== 'f32' && buffer.dtype !== 'bf16') throw otherDtype('buffer', 'f32 or bf16', buffer.dtype);
  const mask = nativeMask('frozen', frozen, buffer);
  if (typeof value !== 'number') throw invalidArgument('value', 'a number', value);
  return nativeAddon().fillFrozen(memory, mask, value);
}

/** The memory of a mask of a buffer's elements, checked. */
export function nativeMask(argument: string, mask: FlatBuffer, buffer: FlatBuffer): NativeMemory {
  const memory = nativeMemory(mask, argument);
  if (mask.dtype !== 'u8') throw otherDtype(argument, 'u8', mask.dtype);
  const bytes = Math.ceil(buffer.length / 8);
  if (mask.length !== bytes) {
    throw invalidArgument(`${argument}.length`, `${bytes}, a bit for each of ${buffer.length} elements`, mask.length);
  }
  checkSameDevice(argument, mask, 'buffer', buffer);
  return memory;
}

/** How many weights of a range a mask's bytes freeze. */
export function countFrozen(bytes: Uint8Array, { start, length }: WeightRange): number {
  const end = start + length;
  let count = 0;
  let at = start;
  for (; at < end && at % 8 !== 0; at++) if (isFrozen(bytes, at)) count += 1;
  for (; at + 8 <= end; at += 8) count += bitCounts[bytes[at / 8]!]!;
  for (; at < end; at++) if (isFrozen(bytes, at)) count += 1;
  return count;
}

/** Bits that are set in each byte. */
const bitCounts = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** A copy of a mask on a device; on the CPU its bits can be read and set ({@link isFrozen}, {@link freeze}). */
export async function copyOfMask(mask: FlatBuffer<'u8'>, device: Device): Promise<FlatBuffer<'u8'>> {
  const copy = FlatBuffer.alloc(mask.length, { dtype: 'u8', device });
  await copy.copyFrom(mask);
  return copy;
}

/** Whether a mask's bytes freeze a weight. Bit operations on the index itself would end at 2^31 weights. */
export function isFrozen(bytes: Uint8Array, index: number): boolean {
  return (bytes[Math.floor(index / 8)]! & (1 << (index % 8))) !== 0;
}

/** Sets the bit of a weight. */
export function freeze(bytes: Uint8Array, index: number): void {
  bytes[Math.floor(index / 8)]! |= 1 << (index % 8);
}

function checkMask(argument: string, mask: FlatBuffer): void {
  nativeMemory(mask, argument);
  if (mask.dtype !== 'u8') throw otherDtype(argument, 'u8', mask.dtype);
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
