/**
 * Arguments of metrics over plain arrays.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';

/**
 * Refuses what is no array of numbers, an empty one, and NaN in it.
 *
 * @param allow.infinite whether numbers may be infinite; default false
 * @throws SoulError SOUL_INVALID_ARGUMENT that names the entry
 */
export function checkValues(
  argument: string,
  values: ArrayLike<number>,
  allow: { readonly infinite?: boolean } = {},
): void {
  if (!isNumberArray(values) || values.length === 0) throw invalidArgument(argument, 'at least one number', values);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const fits = typeof value === 'number' && (allow.infinite ? !Number.isNaN(value) : Number.isFinite(value));
    if (!fits) throw invalidArgument(`${argument}[${i}]`, allow.infinite ? 'a number' : 'a finite number', value);
  }
}

/** One or more numbers from 0 to infinity, as an array. */
export function checkNonNegative(argument: string, values: ArrayLike<number>): readonly number[] {
  if (!isNumberArray(values) || values.length === 0) throw invalidArgument(argument, 'at least one number', values);
  return Array.from(values, (value, i) => checkLoss(`${argument}[${i}]`, value));
}

/** Whether it can hold numbers: an array, or one of a type. */
export function isNumberArray(values: unknown): values is ArrayLike<number> {
  return Array.isArray(values) || (ArrayBuffer.isView(values) && !(values instanceof DataView));
}

/** A mean of -log p, in nats: from 0 to infinity, which is a probability of 0. */
export function checkLoss(argument: string, value: number): number {
  if (typeof value !== 'number' || !(value >= 0)) throw invalidArgument(argument, 'a number of at least 0', value);
  return value;
}
