import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer, quantile } from '../../../lib/index.ts';
import { hashed } from '../../optim/hashed.ts';
import { make, number, type Vector, vector, vectors } from './vectors.ts';

describe('quantiles', () => {
  /** The k-th largest by sorting. */
  function sorted(magnitudes: number[], fraction: number): number {
    const numbers = magnitudes.filter((x) => !Number.isNaN(x)).sort((a, b) => b - a);
    const rank = Math.max(1, Math.floor(fraction * numbers.length + 0.5));
    return numbers[rank - 1] ?? Number.NaN;
  }

  test('are order statistics, as sorting finds them', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, number), fc.double({ min: 0, max: 1, noNaN: true }), async (specifications, p) => {
        const [{ buffer: a, numbers: x }, { buffer: b, numbers: y }] = (await make(specifications)) as [Vector, Vector];
        expect(await quantile({ of: 'magnitude', a }, p)).toBe(sorted(x.map(Math.abs), p));
        const products = x.map((value, i) => Math.abs(Math.fround(value * y[i]!)));
        expect(await quantile({ of: 'product', a, b }, p)).toBe(sorted(products, p));
        const ratios = x.map((value, i) => (y[i]! >= 0 ? Math.abs(Math.fround(value / y[i]!)) : Number.NaN));
        expect(await quantile({ of: 'ratio', a, b }, p)).toBe(sorted(ratios, p));
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  test('the threshold keeps the fraction that was asked for', async () => {
    const length = 100_003;
    const a = (await vector(hashed(1, length), 'f32', 1)).buffer;
    for (const fraction of [0, 1e-5, 0.001, 0.25, 0.5, 0.999, 1]) {
      const threshold = await quantile({ of: 'magnitude', a }, fraction);
      const kept = a.array.filter((x) => Math.abs(x) >= threshold).length;
      expect(Math.abs(kept - Math.max(1, fraction * length))).toBeLessThanOrEqual(1);
    }
  });

  test('of nothing, or of NaN alone, is NaN', async () => {
    expect(await quantile({ of: 'magnitude', a: FlatBuffer.alloc(0) }, 0.5)).toBeNaN();
    const a = FlatBuffer.from(new Float32Array(3).fill(Number.NaN));
    expect(await quantile({ of: 'magnitude', a }, 0.5)).toBeNaN();
    const negative = FlatBuffer.from(Float32Array.of(-1, -2, -0.5));
    expect(await quantile({ of: 'ratio', a: negative, b: negative }, 0.5)).toBeNaN();
  });
});
