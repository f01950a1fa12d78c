/**
 * Parsers of option values: each turns text into a value or says what was expected.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';

/** A finite number of at least `minimum`. */
export function numberAtLeast(minimum: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || value < minimum)
      throw new InvalidArgumentError(`Expected a number of at least ${minimum}.`);
    return value;
  };
}

/** A number above 0 and below 1. */
export function fraction(text: string): number {
  const value = numberAtLeast(0)(text);
  if (value <= 0 || value >= 1) throw new InvalidArgumentError('Expected a number between 0 and 1.');
  return value;
}

/** An integer of at least `minimum`. */
export function integerAtLeast(minimum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`Expected an integer of at least ${minimum}.`);
    }
    return value;
  };
}

/** Two numbers in [0, 1), separated by a comma. */
export function betas(text: string): [number, number] {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const [first, second] = values;
  if (
    values.length !== 2 ||
    first === undefined ||
    second === undefined ||
    !values.every((value) => value >= 0 && value < 1)
  ) {
    throw new InvalidArgumentError('Expected two numbers in [0, 1), as in 0.9,0.95.');
  }
  return [first, second];
}

/** A seed: an integer in [0, 2^64). */
export function seed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text.trim()) || BigInt(text) >= 2n ** 64n) {
    throw new InvalidArgumentError('Expected an integer from 0 to 18446744073709551615.');
  }
  return BigInt(text);
}
