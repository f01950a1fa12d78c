import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer, type QuantileOf, quantile } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { anyNumbers, type Floating, makeAll, makeTwins, type Twins, vectors } from './twins.ts';

const shapes = fc.constantFrom(...launchShapes);

/** The k-th largest by sorting. */
function sorted(magnitudes: ArrayLike<number>, fraction: number): number {
  const numbers = Array.from(magnitudes)
    .filter((x) => !Number.isNaN(x))
    .sort((a, b) => b - a);
  return numbers[Math.max(1, Math.floor(fraction * numbers.length + 0.5)) - 1] ?? Number.NaN;
}

/** The quantile on the device, which is the CPU's. */
async function quantileOf(of: QuantileOf['of'], fraction: number, a: Twins, b: Twins = a): Promise<number> {
  const [wanted, found] = await Promise.all([
    quantile({ of, a: a.cpu, b: b.cpu }, fraction),
    quantile({ of, a: a.cuda, b: b.cuda }, fraction),
  ]);
  expect(found).toBe(wanted);
  return found;
}

test('quantiles are order statistics, as the CPU and sorting find them', async () => {
  const fractions = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, 0.5));
  await fc.assert(
    fc.asyncProperty(vectors(2, anyNumbers), fractions, shapes, async (specifications, fraction, shape) => {
      const [a, b] = (await makeAll(specifications)) as [Twins, Twins];
      await inShape(shape, async () => {
        expect(await quantileOf('magnitude', fraction, a)).toBe(sorted(a.numbers.map(Math.abs), fraction));
        const products = a.numbers.map((x, i) => Math.abs(Math.fround(x * b.numbers[i]!)));
        expect(await quantileOf('product', fraction, a, b)).toBe(sorted(products, fraction));
        const ratios = a.numbers.map((x, i) =>
          b.numbers[i]! >= 0 ? Math.abs(Math.fround(x / b.numbers[i]!)) : Number.NaN,
        );
        expect(await quantileOf('ratio', fraction, a, b)).toBe(sorted(ratios, fraction));
      });
    }),
    { seed: 1, numRuns: 60 },
  );
});

describe('of many numbers', () => {
  const length = 30_011;
  const lists: [string, Floating, Float32Array][] = [
    ['all different', 'f32', hashed(1, length)],
    ['few different', 'bf16', hashed(2, length).map((x) => Math.round(3 * x) / 8)],
    ['one and zeros', 'f32', new Float32Array(length).fill(1, 0, 1)],
    ['all the same', 'bf16', new Float32Array(length).fill(-0.375)],
    ['that differ in their last bits', 'f32', hashed(3, length).map((x) => 1 + Math.abs(x) * 2 ** -14)],
    ['denormal', 'f32', hashed(4, length).map((x) => x * 1e-40)],
    ['of all sizes', 'f32', hashed(5, length).map((x, i) => x * 2 ** ((i % 250) - 125))],
  ];

  test.each(lists)('%s (%s)', async (_, dtype, numbers) => {
    const twins = await makeTwins({ numbers, dtype, skew: 1 });
    const magnitudes = Float32Array.from(twins.numbers, Math.abs).sort().reverse();
    for (const [i, fraction] of [0, 1 / length, 0.001, 0.25, 0.5, 0.999, 1].entries()) {
      const rank = Math.max(1, Math.floor(fraction * length + 0.5));
      await inShape(launchShapes[i % launchShapes.length]!, async () => {
        expect(await quantileOf('magnitude', fraction, twins)).toBe(magnitudes[rank - 1]);
      });
    }
  });
});

test('of nothing, or of NaN alone, is NaN', async () => {
  expect(await quantile({ of: 'magnitude', a: FlatBuffer.alloc(0, { device: 'cuda' }) }, 0.5)).toBeNaN();
  for (const dtype of ['f32', 'bf16'] as const) {
    const nothing = await makeTwins({ numbers: new Array(9).fill(Number.NaN), dtype, skew: 0 });
    for (const fraction of [0, 0.5, 1]) expect(await quantileOf('magnitude', fraction, nothing)).toBeNaN();
    const negative = await makeTwins({ numbers: [-1, -2, -0.5], dtype, skew: 0 });
    expect(await quantileOf('ratio', 0.5, negative)).toBeNaN();
  }
  const zeros = await makeTwins({ numbers: [0, -0, 1], dtype: 'f32', skew: 0 });
  expect(await quantileOf('ratio', 0, zeros)).toBe(1);
});
