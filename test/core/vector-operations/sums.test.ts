import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cast, countNonFinite, dot, FlatBuffer, gram, squaredNorm } from '../../../lib/index.ts';
import { hashed } from '../../optim/hashed.ts';
import { finite, make, number, type Vector, vector, vectors } from './vectors.ts';

/** In float64; products of two float32 are exact there. */
function innerProduct(a: readonly number[], b: readonly number[]): { sum: number; scale: number } {
  const terms = a.map((x, i) => x * b[i]!);
  return {
    sum: terms.reduce((sum, term) => sum + term, 0),
    scale: terms.reduce((sum, term) => sum + Math.abs(term), 0),
  };
}

describe('sums', () => {
  test('inner products and norms are those of float64, for finite numbers of any size', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, finite), async (specifications) => {
        const [a, b] = (await make(specifications)) as [Vector, Vector];
        for (const [first, second] of [[a, b] as const, [a, a] as const]) {
          const { sum, scale } = innerProduct(first.numbers, second.numbers);
          expect(Math.abs((await dot(first.buffer, second.buffer)) - sum)).toBeLessThanOrEqual(1e-14 * scale);
        }
        expect(await squaredNorm(a.buffer)).toBe(await dot(a.buffer, a.buffer));
      }),
      { seed: 1 },
    );
  });

  test('what is not finite makes its sum so, and is counted', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, number), async (specifications) => {
        const [a, b] = (await make(specifications)) as [Vector, Vector];
        const { sum } = innerProduct(a.numbers, b.numbers);
        const found = await dot(a.buffer, b.buffer);
        expect(Number.isFinite(found)).toBe(Number.isFinite(sum));
        if (!Number.isFinite(sum)) expect(found).toBe(sum);
        expect(await countNonFinite(a.buffer)).toBe(a.numbers.filter((x) => !Number.isFinite(x)).length);
      }),
      { seed: 2 },
    );
  });

  test('every pattern of bfloat16 that is not finite is counted', async () => {
    const patterns = FlatBuffer.from(Uint16Array.from({ length: 65_536 }, (_, i) => i));
    expect(await countNonFinite(patterns)).toBe(256);
    const wide = FlatBuffer.alloc(65_536);
    await cast(patterns, wide);
    expect(await countNonFinite(wide)).toBe(256);
  });

  test('a Gram matrix holds the inner products of all pairs, to the bit', async () => {
    const lists = fc.integer({ min: 1, max: 4 }).chain((count) => vectors(count, finite));
    await fc.assert(
      fc.asyncProperty(lists, async (specifications) => {
        const made = await make(specifications);
        const matrix = await gram(made.map(({ buffer }) => buffer));
        const rows = made.map((a) => Promise.all(made.map((b) => dot(a.buffer, b.buffer))));
        expect(matrix).toEqual(await Promise.all(rows));
      }),
      { seed: 3 },
    );
  });

  test('a long sum of small differences keeps its digits', async () => {
    const length = 3 * 16_384 + 4321;
    const a = await vector(hashed(1, length), 'f32', 1);
    const b = await vector(hashed(2, length), 'bf16', 3);
    const { sum, scale } = innerProduct(a.numbers, b.numbers);
    expect(Math.abs((await dot(a.buffer, b.buffer)) - sum)).toBeLessThan(1e-14 * scale);
    const [[aa, ab], [ba, bb]] = (await gram([a.buffer, b.buffer])) as [[number, number], [number, number]];
    expect([aa, ab, ba, bb]).toEqual([
      await squaredNorm(a.buffer),
      await dot(a.buffer, b.buffer),
      ab,
      await squaredNorm(b.buffer),
    ]);
  });
});
