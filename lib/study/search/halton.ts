/**
 * Points that fill a box evenly, however many are taken (Halton 1960), moved by a random shift (Cranley and Patterson 1976).
 *
 * @module
 */

import { randomStream } from '../../core/random.ts';
import type { LogRange } from '../definition/study.ts';

/** Of the dimensions, in order: learning rate, retain coefficient, clipped fraction. */
export const haltonBases = [2, 3, 5] as const;

/** The radical inverse of an index: its digits in a base, mirrored at the point, as 6 = 110 in base 2 is 0.011. */
export function radicalInverse(index: number, base: number): number {
  let value = 0;
  let place = 1 / base;
  for (let rest = index; rest > 0; rest = Math.floor(rest / base)) {
    value += (rest % base) * place;
    place /= base;
  }
  return value;
}

/**
 * A coordinate in [0, 1) of a point of the sequence, moved by an offset that the seed draws for each dimension, modulo 1.
 *
 * @param point counted from 0; the first is the sequence's index 1
 * @param dimension place in {@link haltonBases}
 */
export function haltonCoordinate(seed: bigint, point: number, dimension: number): number {
  const offset = randomStream(seed, 'halton offset').uniform(0, dimension);
  return (radicalInverse(point + 1, haltonBases[dimension]!) + offset) % 1;
}

/** The number at a share of the way through a range, on a logarithmic scale, in four digits. */
export function inRange([low, high]: LogRange, share: number): number {
  return fourDigits(low * (high / low) ** share);
}

/** A number as settings and tables show it. */
export function fourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
