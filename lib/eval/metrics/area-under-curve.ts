/**
 * The area under the receiver operating characteristic.
 *
 * @module
 */

import { checkValues } from './check-values.ts';

/**
 * The probability that a score of the one class is above a score of the other, ties counted as one half: 0.5 where scores tell nothing.
 *
 * D. J. Hand and R. J. Till, "A simple generalisation of the area under the ROC curve", Machine Learning 45 (2001), 171-186.
 *
 * @param positives scores, infinite ones allowed
 * @param negatives likewise
 * @throws SoulError SOUL_INVALID_ARGUMENT for an empty class, or NaN
 */
export function areaUnderCurve(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  checkValues('positives', positives, { infinite: true });
  checkValues('negatives', negatives, { infinite: true });
  const [high, low] = [Float64Array.from(positives).sort(), Float64Array.from(negatives).sort()];
  let [below, upTo, sum] = [0, 0, 0];
  for (const score of high) {
    while (below < low.length && low[below]! < score) below++;
    while (upTo < low.length && low[upTo]! <= score) upTo++;
    sum += (below + upTo) / 2;
  }
  return sum / (high.length * low.length);
}
