import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { forgetQuality, kolmogorovSmirnov } from '../../lib/eval/index.ts';

/** Size, factor, modulus, scale and shift: see record_metrics.py. */
type Specification = [number, number, number, number, number];

const recorded: { tests: { a: Specification; b: Specification; statistic: number; p: number }[] } = JSON.parse(
  readFileSync(new URL('./fixtures/metrics.json', import.meta.url), 'utf8'),
);

const sample = ([size, factor, modulus, scale, shift]: Specification): number[] =>
  Array.from({ length: size }, (_, i) => ((i * factor) % modulus) * scale + shift);

const relative = (found: number, expected: number): number => Math.abs(found / expected - 1);

/** log10 of 2 / C(2n, n), exact to the last step. */
function log10OfCompleteSeparation(n: number): number {
  let ways = 1n;
  for (let i = 1n; i <= BigInt(n); i++) ways = (ways * (BigInt(n) + i)) / i;
  const digits = ways.toString();
  const leading = digits.slice(0, 17);
  return Math.log10(2) - (Math.log10(Number(leading)) + digits.length - leading.length);
}

const invalid = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' });

describe('kolmogorovSmirnov', () => {
  it.each(recorded.tests)('of $a and $b has the statistic and p of scipy', ({ a, b, statistic, p }) => {
    const test = kolmogorovSmirnov(sample(a), sample(b));
    expect(test.statistic).toBeCloseTo(statistic, 14);
    expect(relative(test.pValue, p)).toBeLessThan(1e-9);
    expect(test.log10PValue).toBeCloseTo(Math.log10(p), 9);
    expect(forgetQuality(sample(b), sample(a))).toMatchObject({ statistic: test.statistic });
  });

  it('knows how unlikely it is that two samples are wholly apart, beyond what a double holds', () => {
    for (const n of [1, 5, 40, 600]) {
      const apart = kolmogorovSmirnov(
        Array.from({ length: n }, (_, i) => i),
        Array.from({ length: n }, (_, i) => n + i),
      );
      expect(apart.statistic).toBe(1);
      expect(apart.log10PValue).toBeCloseTo(Math.min(0, log10OfCompleteSeparation(n)), 8);
      expect(apart.pValue > 0).toBe(n < 600);
    }
  });

  it('depends on the order of values alone, infinite ones among them', () => {
    const [a, b] = [
      [1, 2, 2, 3, 9],
      [0, 2, 4, 9, 9, 12],
    ];
    const infinite = (values: number[]) =>
      values.map((value) => (value === 12 ? Infinity : value === 0 ? -Infinity : Math.exp(value)));
    expect(kolmogorovSmirnov(infinite(a), infinite(b))).toEqual(kolmogorovSmirnov(a, b));
    expect(kolmogorovSmirnov(a.toReversed(), b)).toEqual(kolmogorovSmirnov(a, b));
  });

  it('is the share of all ways to deal out the values that part them as far (all sizes up to 5 and 6)', () => {
    for (const [n, m] of [
      [2, 3],
      [4, 4],
      [5, 3],
      [5, 6],
    ] as const) {
      const distances = [...subsets(n + m, n)].map((mine) => furthest(mine, n, m));
      for (const distance of new Set(distances)) {
        const mine = [...subsets(n + m, n)][distances.indexOf(distance)]!;
        const values = Array.from({ length: n + m }, (_, i) => i);
        const test = kolmogorovSmirnov(
          mine,
          values.filter((value) => !mine.includes(value)),
        );
        const share = distances.filter((other) => other >= distance - 1e-12).length / distances.length;
        expect(test.statistic).toBeCloseTo(distance, 12);
        expect(test.pValue).toBeCloseTo(share, 12);
      }
    }
  });

  it('refuses NaN, none and too many', () => {
    for (const values of [[], [1, Number.NaN], new Float64Array(10_001), 'abc' as never]) {
      expect(() => kolmogorovSmirnov([1], values)).toThrow(invalid);
    }
  });
});

function* subsets(size: number, count: number, from = 0): Generator<number[]> {
  if (count === 0) yield [];
  for (let first = from; first <= size - count; first++) {
    if (count > 0) for (const rest of subsets(size, count - 1, first + 1)) yield [first, ...rest];
  }
}

function furthest(mine: number[], n: number, m: number): number {
  let [i, j, largest] = [0, 0, 0];
  for (let value = 0; value < n + m; value++) {
    if (mine.includes(value)) i++;
    else j++;
    largest = Math.max(largest, Math.abs(i / n - j / m));
  }
  return largest;
}
