/**
 * The checks of a target distribution.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { TokenTarget } from './contract.ts';

/** (2 - 2^-23) * 2^127. */
const largestFloat32 = 2 ** 128 - 2 ** 104;

/**
 * The target, where it is one; whether a model can compare with `from` it knows itself.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkTarget(target: TokenTarget): TokenTarget {
  if (typeof target !== 'object' || target === null) throw invalidArgument('target', '{ from, shift }', target);
  checkNames('target', target, ['from', 'shift']);
  checkShift('shift', target.shift);
  return target;
}

/**
 * Refuses what cannot be added to a label's logit.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkShift(argument: string, shift: unknown): void {
  if (shift === Number.NEGATIVE_INFINITY) return;
  if (typeof shift === 'number' && Math.abs(shift) <= largestFloat32) return;
  throw invalidArgument(argument, '-Infinity, or a number that float32 can hold', shift);
}
