import { describe, expect, it } from '@jest/globals';
import { Bootstrap, type Estimator, figureOf } from '../../lib/eval/index.ts';

const invalid = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' });

describe('Bootstrap', () => {
  const meanOf = (values: readonly number[], name = 'items'): Estimator => ({
    groups: [{ name, size: values.length }],
    figure: ([indices]) =>
      Array.from(indices!, (i) => values[i]!).reduce((sum, value) => sum + value, 0) / values.length,
  });

  it('covers a mean as the normal distribution does', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i % 4 === 0 ? 1 : 0));
    expect(figureOf(meanOf(values))).toBe(0.25);
    const [low, high] = new Bootstrap().interval(meanOf(values))!;
    const half = 1.96 * Math.sqrt((0.25 * 0.75) / 100);
    expect(Math.abs(low - (0.25 - half))).toBeLessThan(0.012);
    expect(Math.abs(high - (0.25 + half))).toBeLessThan(0.012);
  });

  it('draws groups of one name alike, by its seed', () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const interval = (seed: bigint, name?: string) =>
      new Bootstrap({ resamples: 50, seed }).interval(meanOf(values, name));
    expect(interval(1n)).toEqual(interval(1n));
    expect(interval(1n)).not.toEqual(interval(2n));
    expect(interval(1n)).not.toEqual(interval(1n, 'others'));
    const difference: Estimator = {
      groups: [
        { name: 'items', size: 8 },
        { name: 'items', size: 8 },
      ],
      figure: ([a, b]) => a![0]! - b![0]!,
    };
    expect(new Bootstrap({ resamples: 50 }).interval(difference)).toEqual([0, 0]);
  });

  it('leaves out as many figures at either end as the level says, whatever the level rounds to', () => {
    const seen: number[] = [];
    const { groups, figure } = meanOf([3, 1, 4, 1, 5, 9, 2, 6]);
    const watched: Estimator = {
      groups,
      figure: (indices) => {
        seen.push(figure(indices));
        return seen.at(-1)!;
      },
    };
    // 1 - 0.8 is a little less than 0.2.
    const interval = new Bootstrap({ resamples: 10, level: 0.8 }).interval(watched);
    const sorted = seen.toSorted((a, b) => a - b);
    expect(sorted).toHaveLength(10);
    expect(interval).toEqual([sorted[1], sorted[8]]);
  });

  it('pairs figures of the same groups alone', () => {
    const one = meanOf([1, 2, 3]);
    const difference = (other: Estimator) => new Bootstrap({ resamples: 20 }).difference(one, other);
    expect(difference(meanOf([0, 1, 2]))).toEqual([expect.closeTo(1, 14), expect.closeTo(1, 14)]);
    expect(difference(meanOf([0, 1, 2], 'others'))).toBeUndefined();
    expect(difference(meanOf([0, 1]))).toBeUndefined();
    const { groups, figure } = meanOf([0, 1, 2]);
    expect(difference({ groups: [...groups, { name: 'others', size: 3 }], figure })).toBeUndefined();
    expect(difference({ groups, figure: () => Number.NaN })).toBeUndefined();
  });

  it('has none for one item, or where a resample has no figure', () => {
    expect(new Bootstrap().interval(meanOf([1]))).toBeUndefined();
    expect(new Bootstrap({ resamples: 9 }).interval({ ...meanOf([1, 2]), figure: () => Number.NaN })).toBeUndefined();
  });

  it.each([[{ resamples: 0 }], [{ level: 1 }], [{ seed: 3 }], [{ samples: 5 }]])('refuses %p', (options) => {
    expect(() => new Bootstrap(options as never)).toThrow(invalid);
  });

  it('refuses sizes that are none, and more draws than there is memory for', () => {
    const interval = (size: number, resamples: number) =>
      new Bootstrap({ resamples }).interval({ groups: [{ name: 'items', size }], figure: () => 1 });
    expect(() => interval(2.5, 10)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ argument: 'groups[0].size' }) }),
    );
    expect(() => interval(1e11, 1e6)).toThrow(expect.objectContaining({ code: 'SOUL_OUT_OF_MEMORY' }));
  });
});
