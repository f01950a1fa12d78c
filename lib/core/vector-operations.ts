/**
 * Flat buffers as vectors: norms, inner products, updates, casts and quantiles.
 *
 * Every function takes buffers of dtype `f32` or `bf16`, in any mix, on one device, and runs in native code, in the order of
 * the calls with all other work on buffers, awaited or not: on the addon's threads, or, as {@link FlatBuffer} says, at once;
 * or on the CUDA device on which the buffers lie. Elements are widened to float32, in which updates are computed; sums are in
 * float64. Every result is the same to the bit for any number of threads and any instruction set. What CUDA devices write
 * into buffers, and counts and quantiles, have the CPU's bits; their sums add in another order and may differ from the CPU's
 * in the last places, and are the same from call to call on one device.
 *
 * All throw SoulError: SOUL_INVALID_ARGUMENT for a wrong argument, length, dtype or device, SOUL_RELEASED, SOUL_DETACHED.
 *
 * @module
 */

import { type NativeMemory, type NativeRounding, nativeAddon } from './addon.ts';
import { checkChoice, checkInteger, checkNumber, checkSeed } from './checks.ts';
import { checkSameDevice } from './devices.ts';
import { invalidArgument, SoulError } from './errors.ts';
import { checkSameLength, type DType, type FlatBuffer, nativeMemory, otherDtype } from './flat-buffer.ts';
import { nativeMask } from './frozen-masks.ts';
import { checkNames } from './option-names.ts';

/** How what goes into `bf16` is rounded; float32 needs no rounding. */
export interface RoundingOptions {
  /**
   * `'nearest'` (the default; ties to even), or `'stochastic'`: to one of the two neighbours, the nearer one the
   * likelier, so that the mean over draws is the exact number. What `bf16` holds exactly never moves.
   */
  rounding?: 'nearest' | 'stochastic';
  /** Of stochastic rounding, which needs it; from 0 to 2^64 - 1. */
  seed?: bigint;
  /**
   * Tells the roundings with one seed apart, 0 by default: draws are a function of seed, count and the element's index
   * in the buffer that is written, so two roundings with the same seed and count use the same draws.
   */
  count?: number;
}

const roundingNames = ['rounding', 'seed', 'count'] as const satisfies readonly (keyof RoundingOptions)[];

export interface SoftThresholdOptions extends RoundingOptions {
  /** The mask of elements that stay as they are, on the buffer's device. */
  frozen?: FlatBuffer<'u8'>;
}

/** Which normal numbers are added, and how sums are rounded: stochastic rounding takes draws of its own of the same seed and count. */
export interface NormalOptions extends Omit<RoundingOptions, 'seed'> {
  /** From 0 to 2^64 - 1. */
  seed: bigint;
  /** The mask of elements to which nothing is added, on the buffers' device. */
  frozen?: FlatBuffer<'u8'>;
}

/** What a quantile is taken of, element by element, computed in float32; the buffers have one length. */
export type QuantileOf =
  /** |a|; a `b` says nothing. */
  | { readonly of: 'magnitude'; readonly a: FlatBuffer }
  /** |a * b| */
  | { readonly of: 'product'; readonly a: FlatBuffer; readonly b: FlatBuffer }
  /** |a| / b, where b is not negative; |a| / 0 is infinite. */
  | { readonly of: 'ratio'; readonly a: FlatBuffer; readonly b: FlatBuffer };

/** The sum of squares of all elements. */
export async function squaredNorm(buffer: FlatBuffer): Promise<number> {
  const memory = floatingMemory(buffer, 'buffer');
  const [sum] = await nativeAddon().dot(memory, memory);
  return sum!;
}

/** How many elements are NaN or infinite. */
export async function countNonFinite(buffer: FlatBuffer): Promise<number> {
  const [count] = await nativeAddon().countNonFinite(floatingMemory(buffer, 'buffer'));
  return count!;
}

/** The inner product of two buffers of one length; they may be the same. */
export async function dot(a: FlatBuffer, b: FlatBuffer): Promise<number> {
  const first = floatingMemory(a, 'a');
  const second = floatingMemory(b, 'b');
  checkAlike('b', b, 'a', a);
  const [sum] = await nativeAddon().dot(first, second);
  return sum!;
}

/**
 * The Gram matrix of one to four buffers of one length, in one pass over memory: the inner products of all pairs, what
 * projections of one gradient onto another are made of.
 *
 * @returns rows of the symmetric matrix: element [i][j] is `dot(buffers[i], buffers[j])`, to the bit
 */
export async function gram(buffers: readonly FlatBuffer[]): Promise<number[][]> {
  if (!Array.isArray(buffers) || buffers.length < 1 || buffers.length > 4) {
    throw invalidArgument('buffers', 'an array of 1 to 4 FlatBuffers', buffers);
  }
  const count = buffers.length;
  const memories = Array.from(buffers, (buffer, i) => {
    const memory = floatingMemory(buffer, `buffers[${i}]`);
    checkAlike(`buffers[${i}]`, buffer, 'buffers[0]', buffers[0]!);
    return memory;
  });
  const products = await nativeAddon().gram(memories);
  const matrix = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  let next = 0;
  for (let row = 0; row < count; row++) {
    for (let column = row; column < count; column++) {
      const product = products[next++]!;
      matrix[row]![column] = product;
      matrix[column]![row] = product;
    }
  }
  return matrix;
}

/**
 * y <- alpha * x + y, rounded to y's dtype.
 *
 * @param alpha finite; rounded to float32
 * @param x of y's length; may be y itself, but share no other part of its memory
 * @throws SoulError SOUL_ALIASED where x and y overlap in part
 */
export async function axpy(alpha: number, x: FlatBuffer, y: FlatBuffer, options: RoundingOptions = {}): Promise<void> {
  const single = finiteSingle('alpha', alpha);
  const source = floatingMemory(x, 'x');
  const target = floatingMemory(y, 'y');
  checkAlike('y', y, 'x', x);
  return nativeAddon().axpy(single, source, target, roundingOf(options));
}

/**
 * y <- alpha * sign(x) + y, rounded to y's dtype: with alpha > 0 and y a gradient, that of alpha * |x|_1 is added. The sign of 0
 * is 0, that of NaN is NaN.
 *
 * @param alpha finite; rounded to float32
 * @param x of y's length; may be y itself, but share no other part of its memory
 * @throws SoulError SOUL_ALIASED where x and y overlap in part
 */
export async function addSign(
  alpha: number,
  x: FlatBuffer,
  y: FlatBuffer,
  options: RoundingOptions = {},
): Promise<void> {
  const single = finiteSingle('alpha', alpha);
  const source = floatingMemory(x, 'x');
  const target = floatingMemory(y, 'y');
  checkAlike('y', y, 'x', x);
  return nativeAddon().addSign(single, source, target, roundingOf(options));
}

/**
 * y <- sign(y) * max(|y| - by, 0), in place, rounded to the dtype: the proximal step of by * |y|_1. NaN stays NaN.
 *
 * @param by finite, at least 0; rounded to float32
 * @throws SoulError SOUL_ALIASED where the mask is a part of the buffer's memory
 */
export async function softThreshold(buffer: FlatBuffer, by: number, options: SoftThresholdOptions = {}): Promise<void> {
  const memory = floatingMemory(buffer, 'buffer');
  const single = finiteSingle('by', checkNumber('by', by));
  const rounding = roundingOf(options, [...roundingNames, 'frozen']);
  const mask = options.frozen && nativeMask('frozen', options.frozen, buffer);
  return nativeAddon().softThreshold(memory, single, mask, rounding);
}

/**
 * target <- source + factor * z, rounded to the target's dtype. z are independent standard normal numbers, a function of seed, count
 * and the element's index in the buffers alone: the same bits on every instruction set, device and number of threads, so that a
 * direction need not be kept to be taken again. By Box and Muller (1958) in float32 from 63 random bits an element: |z| ends at 6.66,
 * and the distribution is the normal one's to less than a Kolmogorov-Smirnov distance that a million draws would show.
 *
 * @param factor finite; rounded to float32
 * @param source of the target's length; may be the target itself, but share no other part of its memory
 * @throws SoulError SOUL_ALIASED where buffers overlap in part, or the mask is a part of them
 *
 * @example
 * await addNormal(1e-3, weights, perturbed, { seed: 7n, count: step });
 */
export async function addNormal(
  factor: number,
  source: FlatBuffer,
  target: FlatBuffer,
  options: NormalOptions,
): Promise<void> {
  const single = finiteSingle('factor', factor);
  const from = floatingMemory(source, 'source');
  const to = floatingMemory(target, 'target');
  checkAlike('target', target, 'source', source);
  checkNames('options', options, [...roundingNames, 'frozen']);
  const { frozen, ...rest } = options;
  const rounding = roundingOf(rest);
  const draws = { seed: checkSeed('seed', rest.seed), count: BigInt(rest.count ?? 0) };
  const mask = frozen && nativeMask('frozen', frozen, target);
  return nativeAddon().addNormal(single, from, to, draws, mask, rounding);
}

/**
 * Multiplies every element by a factor, in place, rounded to the dtype.
 *
 * @param factor finite; rounded to float32
 */
export async function scale(buffer: FlatBuffer, factor: number, options: RoundingOptions = {}): Promise<void> {
  const memory = floatingMemory(buffer, 'buffer');
  return nativeAddon().scale(memory, finiteSingle('factor', factor), roundingOf(options));
}

/**
 * Copies `source` to `target`, on the same device or another, rounded to its dtype. From `bf16` to `f32` and between buffers
 * of one dtype nothing is lost, and rounding says nothing.
 *
 * @param target of the source's length; of one dtype the two may overlap, otherwise not
 * @throws SoulError SOUL_ALIASED
 */
export async function cast(source: FlatBuffer, target: FlatBuffer, options: RoundingOptions = {}): Promise<void> {
  const from = floatingMemory(source, 'source');
  const to = floatingMemory(target, 'target');
  checkSameLength('target', target.length, source.length);
  return nativeAddon().cast(from, to, roundingOf(options));
}

/**
 * The threshold that a fraction of all magnitudes reaches: of n numbers the k-th largest, with k = fraction * n rounded
 * to an integer, at least 1. An order statistic, exact, found without a sort in two reads of memory. NaN, and ratios to
 * a negative b, are left out and don't count for n.
 *
 * @param fraction from 0 (the largest) to 1 (the smallest)
 * @returns a float32 number; NaN when there are no numbers
 *
 * @example
 * const threshold = await quantile({ of: 'product', a: gradient, b: weights }, 0.05); // 5 % have |g * w| >= threshold
 */
export async function quantile(terms: QuantileOf, fraction: number): Promise<number> {
  checkNames('terms', terms, ['of', 'a', 'b']);
  const { of, a } = terms;
  if (of !== 'magnitude' && of !== 'product' && of !== 'ratio') {
    throw invalidArgument('of', "'magnitude', 'product' or 'ratio'", of);
  }
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
    throw invalidArgument('fraction', 'a number from 0 to 1', fraction);
  }
  const first = floatingMemory(a, 'a');
  let second: NativeMemory | undefined;
  if (of !== 'magnitude') {
    second = floatingMemory(terms.b, 'b');
    checkAlike('b', terms.b, 'a', a);
  }
  const [threshold] = await nativeAddon().quantile(of, first, second, fraction);
  return threshold!;
}

/** The memory of a buffer of numbers that can be computed with. */
function floatingMemory(buffer: FlatBuffer, argument: string): NativeMemory {
  const memory = nativeMemory(buffer, argument);
  if (!isFloating(buffer.dtype)) throw otherDtype(argument, 'f32 or bf16', buffer.dtype);
  return memory;
}

function checkAlike(argument: string, buffer: FlatBuffer, otherArgument: string, other: FlatBuffer): void {
  checkSameLength(argument, buffer.length, other.length);
  checkSameDevice(argument, buffer, otherArgument, other);
}

function isFloating(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'bf16';
}

function finiteSingle(argument: string, value: number): number {
  const single = typeof value === 'number' ? Math.fround(value) : Number.NaN;
  if (!Number.isFinite(single)) throw invalidArgument(argument, 'a number that is finite as float32', value);
  return single;
}

function roundingOf(options: RoundingOptions, names: readonly string[] = roundingNames): NativeRounding | undefined {
  checkNames('options', options, names);
  const { rounding = 'nearest', seed, count = 0 } = options;
  checkChoice('rounding', rounding, ['nearest', 'stochastic']);
  if (seed !== undefined) checkSeed('seed', seed);
  checkInteger('count', count, { low: 0 });
  if (rounding === 'nearest') return undefined;
  if (seed === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', "seed must be given with rounding: 'stochastic', a bigint", {
      argument: 'seed',
    });
  }
  return { seed, count: BigInt(count) };
}
