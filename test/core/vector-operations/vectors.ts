/**
 * Vectors of any dtype and start, as properties draw them, and their numbers.
 *
 * @module
 */

import fc from 'fast-check';
import { FlatBuffer } from '../../../lib/index.ts';
import { bfloat16Value, nearestBfloat16 } from '../../native/bfloat16.ts';

export type Floating = 'f32' | 'bf16';

/** A buffer of `dtype` that starts at element `skew` of its memory, and its numbers in float64. */
export interface Vector {
  buffer: FlatBuffer<Floating>;
  numbers: number[];
}

export async function vector(numbers: ArrayLike<number>, dtype: Floating, skew = 0): Promise<Vector> {
  const buffer = FlatBuffer.alloc(numbers.length + skew, { dtype }).view(skew);
  await buffer.copyFrom(Float64Array.from(numbers));
  return { buffer, numbers: numbersOf(buffer) };
}

export function numbersOf({ array, dtype }: FlatBuffer<Floating>): number[] {
  return Array.from(array, dtype === 'f32' ? (x) => x : bfloat16Value);
}

export function roundedTo(dtype: Floating, x: number): number {
  return dtype === 'f32' ? Math.fround(x) : nearestBfloat16(Math.fround(x));
}

const dtypes = fc.constantFrom<Floating>('f32', 'bf16');
export const finite = fc.oneof(
  fc.float({ noNaN: true, min: -(2 ** 60), max: 2 ** 60 }),
  fc.constantFrom(0, -0, 1e-40, -3e-45, 1, -1, 0.1, 1e18),
);
export const number = fc.oneof(finite, fc.constantFrom(Number.NaN, Infinity, -Infinity, 3.4028234663852886e38));
export const skews = fc.integer({ min: 0, max: 7 });

/** Some vectors of one length, of any dtypes and starts. */
export function vectors(count: number, element: fc.Arbitrary<number>): fc.Arbitrary<Parameters<typeof vector>[]> {
  return fc.integer({ min: 0, max: 150 }).chain((length) =>
    fc.array(fc.tuple(fc.array(element, { minLength: length, maxLength: length }), dtypes, skews), {
      minLength: count,
      maxLength: count,
    }),
  );
}

export const make = (specifications: Parameters<typeof vector>[]) =>
  Promise.all(specifications.map((specification) => vector(...specification)));
