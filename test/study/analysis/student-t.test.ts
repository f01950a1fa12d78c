import { describe, expect, test } from '@jest/globals';
import { estimateOf, quantileOfT } from '../../../lib/study/analysis/student-t.ts';

describe("quantiles of Student's t", () => {
  /** By bisection of the incomplete beta function in 40 digits (mpmath). */
  test.each([
    [0.975, 1, 12.706204736174705],
    [0.975, 2, 4.302652729749464],
    [0.975, 3, 3.18244630528371],
    [0.975, 4, 2.776445105197794],
    [0.975, 9, 2.262157162798205],
    [0.975, 30, 2.042272456301238],
    [0.975, 101, 1.983731002955606],
    [0.9, 7, 1.414923927650508],
    [0.025, 5, -2.570581835636315],
    [0.6, 1000, 0.2534145158394988],
  ])('%f with %i degrees of freedom', (probability, degrees, expected) => {
    expect(quantileOfT(probability, degrees) / expected).toBeCloseTo(1, 12);
  });

  test('is 0 at one half, whatever the degrees', () => {
    for (const degrees of [1, 2, 5, 50]) expect(Math.abs(quantileOfT(0.5, degrees))).toBeLessThan(1e-12);
  });

  test.each([
    [0, 3],
    [1, 3],
    [Number.NaN, 3],
    [0.9, 0],
    [0.9, 1.5],
  ])('refuses %f with %f degrees', (probability, degrees) => {
    expect(() => quantileOfT(probability, degrees)).toThrow(/must be/);
  });
});

describe('an estimate', () => {
  test('has the interval mean ± t s / sqrt(n)', () => {
    const { mean, low, high, draws } = estimateOf([1, 2, 3, 4, 5])!;
    const half = 2.776445105197794 * Math.sqrt(2.5 / 5);
    expect(mean).toBe(3);
    expect(low).toBeCloseTo(3 - half, 12);
    expect(high).toBeCloseTo(3 + half, 12);
    expect(draws).toBe(5);
  });

  test('has none of one value, and is none of no value', () => {
    expect(estimateOf([0.5])).toEqual({ mean: 0.5, draws: 1 });
    expect(estimateOf([])).toBeUndefined();
  });

  test('is a point where all values are the same', () => {
    expect(estimateOf([0.25, 0.25, 0.25])).toEqual({ mean: 0.25, low: 0.25, high: 0.25, draws: 3 });
  });
});
