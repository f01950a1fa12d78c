import { describe, expect, test } from '@jest/globals';
import { estimateOf, quantileOfT } from '../../../lib/study/analysis/student-t.ts';

describe("quantiles of Student's t", () => {
  /** By bisection of the incomplete beta function in 40 digits (mpmath). */
  test.each([
    [0.975, 1, 12.706204736174705],
    [0.975, 2, 4.3026527297494639],
    [0.975, 3, 3.1824463052837096],
    [0.975, 4, 2.7764451051977944],
    [0.975, 9, 2.2621571627982055],
    [0.975, 30, 2.0422724563012383],
    [0.975, 101, 1.9837310029556062],
    [0.9, 7, 1.4149239276505085],
    [0.025, 5, -2.5705818356363155],
    [0.6, 1000, 0.25341451583949876],
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
    const half = 2.7764451051977944 * Math.sqrt(2.5 / 5);
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
