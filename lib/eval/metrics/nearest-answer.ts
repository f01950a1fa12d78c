/**
 * Which of several answers another one is nearest to.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkValues } from './check-values.ts';

/**
 * The cosine of the angle between two vectors of one length, from -1 to 1, in float64.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for vectors of two lengths, numbers that are not finite, and a vector of zeros: it has no
 *   direction
 */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [first, second] = [unit('a', a), unit('b', b)];
  if (second.length !== first.length) throw invalidArgument('b', `as long as a, ${first.length} numbers`, b);
  const cosine = first.reduce((sum, value, i) => sum + value * second[i]!, 0);
  return Math.min(1, Math.max(-1, cosine));
}

/**
 * Whether an answer is as near to the right one as to any wrong one: SOUL's accuracy of one item. Where a wrong one is equally near, it
 * counts as right, as in SOUL's code, `max(scores) == scores[0]`.
 *
 * Jia et al., "SOUL: Unlocking the Power of Second-Order Optimization for LLM Unlearning", 2024; OPTML-Group/SOUL, src/metrics/Tofu.py.
 *
 * @param right similarity to the right answer
 * @param wrong similarities to wrong ones
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no finite number, and without wrong answers
 */
export function isNearest(right: number, wrong: ArrayLike<number>): boolean {
  checkValues('right', [right]);
  checkValues('wrong', wrong);
  return Array.from(wrong).every((similarity) => similarity <= right);
}

/** A vector over its norm. */
function unit(argument: string, vector: ArrayLike<number>): Float64Array {
  checkValues(argument, vector);
  const values = Float64Array.from(vector);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest === 0) throw invalidArgument(argument, 'a vector with a direction', 'zeros throughout');
  // Squares of numbers up to 1 neither overflow nor vanish all.
  const scaled = values.map((value) => value / largest);
  const norm = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
  return scaled.map((value) => value / norm);
}
