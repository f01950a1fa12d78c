/**
 * The two-sample Kolmogorov-Smirnov test, exact and in log space.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkValues } from './check-values.ts';

export interface KolmogorovSmirnov {
  /** D: the largest distance between the two empirical distribution functions, from 0 to 1. */
  readonly statistic: number;
  /** Probability of at least this distance where both samples are of one continuous distribution; 0 where it is below 5e-324. */
  readonly pValue: number;
  /** Its decimal logarithm, which stays finite where `pValue` cannot. */
  readonly log10PValue: number;
}

/** Beyond it the exact test would take minutes; that many values tell any two distributions apart. */
const largestSample = 10_000;

/**
 * The two-sided test of two samples, as `scipy.stats.ks_2samp(a, b, method='exact')` computes it. Infinite values are in order; ties
 * are allowed, with which the p-value is an upper bound.
 *
 * J. L. Hodges, "The significance probability of the Smirnov two-sample test", Arkiv for Matematik 3 (1958), 469-486; the
 * recurrence without cancellation is of T. Viehmann, "Numerically more stable computation of the p-values for the two-sample
 * Kolmogorov-Smirnov test", 2021, arXiv 2102.08037.
 *
 * @param a from 1 to 10,000 numbers, in any order
 * @param b likewise
 * @throws SoulError SOUL_INVALID_ARGUMENT for another number of them, or NaN
 */
export function kolmogorovSmirnov(a: ArrayLike<number>, b: ArrayLike<number>): KolmogorovSmirnov {
  const steps = smirnovSteps(sortedSample('a', a), sortedSample('b', b));
  return smirnovTest(steps, a.length, b.length);
}

/** A sample in ascending order. */
export function sortedSample(argument: string, values: ArrayLike<number>): Float64Array {
  checkValues(argument, values, { infinite: true });
  if (values.length > largestSample) throw invalidArgument(argument, `at most ${largestSample} numbers`, values);
  return Float64Array.from(values).sort();
}

/** D of two sorted samples as a whole number, in units of one over the least common multiple of their sizes. */
export function smirnovSteps(a: Float64Array, b: Float64Array): number {
  const [up, down] = unitSteps(a.length, b.length);
  let [i, j, largest] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    // A value that both have moves both functions at once.
    const value = Math.min(a[i]!, b[j]!);
    while (i < a.length && a[i] === value) i++;
    while (j < b.length && b[j] === value) j++;
    largest = Math.max(largest, Math.abs(i * up - j * down));
  }
  return largest;
}

/** The test for a distance that {@link smirnovSteps} gives, of samples of n and m values. */
export function smirnovTest(steps: number, n: number, m: number): KolmogorovSmirnov {
  const [up] = unitSteps(n, m);
  const logP = steps === 0 ? 0 : logOutside(steps, n, m);
  return { statistic: steps / (n * up), pValue: Math.exp(logP), log10PValue: logP / Math.LN10 };
}

/** How many units the difference of the two functions changes by with a value of the one, and of the other. */
function unitSteps(n: number, m: number): [number, number] {
  let [divisor, rest] = [n, m];
  while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  return [m / divisor, n / divisor];
}

/**
 * log P(a random path of n steps right and m steps up comes at least `steps` units from the diagonal).
 *
 * The share of paths to (i, j) that have been so far out is the mean of the shares at its two neighbours, weighted by i and j: a sum of
 * positive terms, so that the smallest share keeps its digits.
 */
function logOutside(steps: number, n: number, m: number): number {
  const [up, down] = unitSteps(n, m);
  const logarithms = Float64Array.from({ length: n + m + 1 }, (_, k) => Math.log(k));
  // Never asked for but at the start, from where no path has come yet.
  logarithms[0] = 0;
  // Of row i: log of the share at (i, j).
  const shares = new Float64Array(m + 1);
  for (let i = 0; i <= n; i++) {
    for (let j = 0; j <= m; j++) {
      if (Math.abs(i * up - j * down) >= steps) shares[j] = 0;
      else {
        const left = i === 0 ? Number.NEGATIVE_INFINITY : shares[j]! + logarithms[i]!;
        const below = j === 0 ? Number.NEGATIVE_INFINITY : shares[j - 1]! + logarithms[j]!;
        shares[j] = logAdd(left, below) - logarithms[i + j]!;
      }
    }
  }
  return Math.min(shares[m]!, 0);
}

/** log(exp(a) + exp(b)). */
function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}
