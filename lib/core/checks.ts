/**
 * Checks of single arguments.
 *
 * @module
 */

import { invalidArgument } from './errors.ts';

const largest = 3.4e38;

/** A finite number in [low, high], or inside where a bound is exclusive. */
export function checkNumber(
  argument: string,
  value: unknown,
  { low = 0, high = largest, lowExclusive = false, highExclusive = false } = {},
): number {
  const inside =
    typeof value === 'number' &&
    Math.abs(value) <= largest &&
    (lowExclusive ? value > low : value >= low) &&
    (highExclusive ? value < high : value <= high);
  if (inside) return value;
  if (low === Number.NEGATIVE_INFINITY && high === largest) throw invalidArgument(argument, 'a finite number', value);
  const from = lowExclusive ? `above ${low}` : `of at least ${low}`;
  const isOpen = high === largest && !(Number.isFinite(value) && Math.abs(value as number) > largest);
  const to = isOpen ? 'and finite' : `${highExclusive ? 'and below' : 'and at most'} ${high}`;
  throw invalidArgument(argument, `a number ${from} ${to}`, value);
}

/**
 * An integer in [low, high].
 *
 * @param why said after the bounds: what gives them
 */
export function checkInteger(
  argument: string,
  value: unknown,
  { low = 1, high = Number.MAX_SAFE_INTEGER, why = '' } = {},
): number {
  if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
  // The largest that is exact is told to those alone who went beyond it.
  const isOpen = high === Number.MAX_SAFE_INTEGER && !(typeof value === 'number' && value > high);
  const range = isOpen ? `of at least ${low}` : `from ${low} to ${high}`;
  throw invalidArgument(argument, `an integer ${range}${why && `, ${why}`}`, value);
}

/** A bigint in [0, 2^64). */
export function checkSeed(argument: string, value: unknown): bigint {
  if (typeof value === 'bigint' && BigInt.asUintN(64, value) === value) return value;
  throw invalidArgument(argument, 'a bigint from 0n to 2n ** 64n - 1n', value);
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, 'true or false', value);
  return value;
}

export function checkChoice<Choice extends string>(
  argument: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  if (choices.includes(value as Choice)) return value as Choice;
  throw invalidArgument(argument, choices.map((choice) => `'${choice}'`).join(' or '), value);
}

/** An option that was left out is its default; `null` is not a way to leave one out. */
export function valueOr<Value, Default>(value: Value | undefined, fallback: Default): Value | Default {
  return value === undefined ? fallback : value;
}
