/**
 * A check that several options share.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';

/** `value`, if it is an integer of at least 1. */
export function positiveInteger(argument: string, value: number): number {
  if (!(Number.isInteger(value) && value >= 1)) throw invalidArgument(argument, 'an integer of at least 1', value);
  return value;
}
