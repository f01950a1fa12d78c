/**
 * How many tokens of an answer a model has by heart.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';

/**
 * The share of tokens that are the model's most likely one, each after the true tokens before it; from 0 to 1. Undefined for no tokens.
 *
 * Tirumala et al., "Memorization Without Overfitting: Analyzing the Training Dynamics of Large Language Models", 2022.
 *
 * @param isArgmax of each token, whether it is the most likely one; as `TokenScores.isArgmax`
 */
export function exactMemorization(isArgmax: ArrayLike<number | boolean>): number | undefined {
  const { length } = checkFlags(isArgmax);
  if (length === 0) return undefined;
  let count = 0;
  for (let i = 0; i < length; i++) count += isArgmax[i] ? 1 : 0;
  return count / length;
}

/** Refuses what is no array. */
export function checkFlags(isArgmax: ArrayLike<number | boolean>): ArrayLike<number | boolean> {
  if (Array.isArray(isArgmax) || (ArrayBuffer.isView(isArgmax) && !(isArgmax instanceof DataView))) return isArgmax;
  throw invalidArgument('isArgmax', 'an array', isArgmax);
}
