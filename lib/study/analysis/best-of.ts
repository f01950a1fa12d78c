/**
 * What a search of fewer trials would have come to.
 *
 * @module
 */

import { checkInteger } from '../../core/checks.ts';

/**
 * The chance of each of `count` ranked trials to be the best of a random subset of n, the best first: of all subsets of n those in which no
 * better one is, C(count - 1 - rank, n - 1) / C(count, n). Exact, without binomials that grow beyond float64.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT unless 1 <= n <= count
 */
export function bestOfWeights(count: number, n: number): number[] {
  checkInteger('count', count, { low: 1 });
  checkInteger('n', n, { low: 1, high: count });
  const weights = [n / count];
  for (let rank = 1; rank < count; rank++) {
    weights.push((weights[rank - 1]! * Math.max(count - rank - n + 1, 0)) / (count - rank));
  }
  return weights;
}

/**
 * The expected value of the trial that would have been chosen, for searches of 1 to all trials, over all subsets of each size.
 *
 * Dodge et al., "Show Your Work: Improved Reporting of Experimental Results", 2019 (arXiv 1909.03004), equation 3, where draws are with
 * replacement and the chosen value itself is what is reported; here subsets are without, and one half chooses what the other reports.
 *
 * @param values of the trials, in the order in which they would be chosen
 */
export function expectedBest(values: readonly number[]): number[] {
  return values.map((_, i) =>
    bestOfWeights(values.length, i + 1).reduce((sum, weight, rank) => sum + weight * values[rank]!, 0),
  );
}
