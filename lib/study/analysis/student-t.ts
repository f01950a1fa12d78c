/**
 * Intervals of means by Student's t.
 *
 * @module
 */

import { checkInteger, checkNumber } from '../../core/checks.ts';
import type { Estimate } from './summary.ts';

/** Of intervals. */
export const confidence = 0.95;

/**
 * The mean of independent values with its 95 % interval, mean ± t(0.975, n - 1) s / sqrt(n); of fewer than two there is no interval.
 *
 * @returns undefined where there is no value
 */
export function estimateOf(values: readonly number[]): Estimate | undefined {
  const draws = values.length;
  if (draws === 0) return undefined;
  const mean = meanOf(values);
  if (draws === 1) return { mean, draws };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (draws - 1);
  const half = quantileOfT((1 + confidence) / 2, draws - 1) * Math.sqrt(variance / draws);
  return { mean, low: mean - half, high: mean + half, draws };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The quantile of Student's t with a whole number of degrees of freedom.
 *
 * By bisection of the distribution function, whose form for whole degrees of freedom is a finite sum: Abramowitz and Stegun, "Handbook of
 * Mathematical Functions", 26.7.3 and 26.7.4, in the angle atan(t / sqrt(degrees)).
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a probability outside of (0, 1)
 */
export function quantileOfT(probability: number, degrees: number): number {
  checkNumber('probability', probability, { low: 0, lowExclusive: true, high: 1, highExclusive: true });
  checkInteger('degrees', degrees, { low: 1, high: 2 ** 20 });
  if (probability < 0.5) return -quantileOfT(1 - probability, degrees);
  const within = 2 * probability - 1;
  let [low, high] = [0, Math.PI / 2];
  for (;;) {
    const angle = (low + high) / 2;
    // There is no number between them any more.
    if (angle <= low || angle >= high) return Math.sqrt(degrees) * Math.tan(angle);
    if (shareWithin(angle, degrees) < within) low = angle;
    else high = angle;
  }
}

/** The probability that |t| is at most sqrt(degrees) tan(angle). */
function shareWithin(angle: number, degrees: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= ((power - 1) / power) * cosine ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
