import { describe, expect, test } from '@jest/globals';
import { bestOfWeights, expectedBest } from '../../../lib/study/analysis/best-of.ts';

/** Every subset of so many of the ranks below count. */
function subsets(count: number, size: number): number[][] {
  const all = Array.from({ length: 2 ** count }, (_, bits) =>
    Array.from({ length: count }, (_, rank) => rank).filter((rank) => (bits >> rank) & 1),
  );
  return all.filter((ranks) => ranks.length === size);
}

describe('the best of n trials', () => {
  test('is the mean over all subsets of what the first of each has, for every n', () => {
    // The order is the validation half's: the test half may say otherwise.
    const values = [0.7, 0.9, 0.2, 0.2, 0.5, 0];
    const expected = expectedBest(values);
    for (let n = 1; n <= values.length; n++) {
      const own = subsets(values.length, n);
      const mean = own.reduce((sum, ranks) => sum + values[ranks[0]!]!, 0) / own.length;
      expect(expected[n - 1]).toBeCloseTo(mean, 12);
    }
  });

  test('is the mean of all for one, and the chosen one for all', () => {
    const values = [0.3, 0.8, 0.1];
    expect(expectedBest(values)[0]).toBeCloseTo(0.4, 15);
    expect(expectedBest(values)[2]).toBe(0.3);
    expect(expectedBest([0.6])).toEqual([0.6]);
    expect(expectedBest([])).toEqual([]);
  });

  test('has weights that add up to 1, also of many trials', () => {
    for (const n of [1, 2, 500, 999, 1000]) {
      const weights = bestOfWeights(1000, n);
      expect(weights.every((weight) => weight >= 0)).toBe(true);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 10);
    }
  });

  test.each([0, 4, 1.5, Number.NaN])('refuses subsets of %f among three', (n) => {
    expect(() => bestOfWeights(3, n)).toThrow(/n must be/);
  });
});
