import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AdamW, FlatBuffer, Sophia } from '../../lib/index.ts';
import { hashed } from './hashed.ts';
import { setUp } from './set-up.ts';

describe('AdamW', () => {
  test('skips what is not finite, and reports what it did', async () => {
    const { values, gradients } = setUp();
    const adamw = new AdamW({ values, gradients }, { learningRate: 0.1 });
    gradients.array[0] = Number.NaN;
    const before = values.array.slice();
    expect(await adamw.step()).toMatchObject({ step: 0, skipped: true, changedFraction: 0 });
    expect(values.array).toEqual(before);
    gradients.array[0] = 0;
    const stats = await adamw.step({ zeroGradients: true });
    expect(stats).toMatchObject({ step: 1, skipped: false, changedFraction: 1 });
    expect(stats.rho).toBeUndefined();
    expect(stats.clippedFraction).toBeUndefined();
    expect(gradients.array.every((g) => g === 0)).toBe(true);
  });

  test('takes groups with their own weight decay and learning rate', async () => {
    const { values, gradients } = setUp(100);
    gradients.array.fill(0);
    const before = values.array.slice();
    const parameterGroups = [
      { name: 'vector', start: 60, length: 30, weightDecay: 0 },
      { name: 'matrix', start: 10, length: 50, learningRateScale: 0.5 },
    ];
    const adamw = new AdamW({ values, gradients }, { learningRate: 0.1, weightDecay: 0.2, parameterGroups });
    const { groups } = await adamw.step();
    for (const [i, x] of values.array.entries()) {
      const decay = i >= 60 && i < 90 ? 0 : i >= 10 && i < 60 ? 0.01 : 0.02;
      expect(x).toBeCloseTo(before[i]! * (1 - decay), 6);
    }
    expect(groups).toEqual([
      { name: 'vector', length: 30, stepped: 30, changedFraction: 0 },
      { name: 'matrix', length: 50, stepped: 50, changedFraction: 1 },
      { name: 'default', length: 20, stepped: 20, changedFraction: 1 },
    ]);
  });
});

describe('one step against float64', () => {
  const number = fc.oneof(
    fc.float({ min: -10, max: 10, noNaN: true }),
    fc.constantFrom(0, -0, 1e-45, -1e-40, 1e-20, 1e18, -1e18, 3e38),
  );
  const weights = fc.array(fc.record({ value: number, gradient: number, curvature: number }), { maxLength: 70 });

  /** Memory of which every buffer begins 4 bytes off the alignment of its allocation. */
  function unaligned(numbers: readonly number[]): FlatBuffer {
    const buffer = FlatBuffer.from(new Float32Array(numbers.length + 1)).view(1);
    buffer.array.set(numbers);
    return buffer;
  }

  function agree(found: number, expected: number): boolean {
    const rounded = Math.fround(expected);
    if (Number.isNaN(rounded) || !Number.isFinite(rounded)) return Object.is(found, rounded) || !Number.isFinite(found);
    return Math.abs(found - expected) <= 4e-6 * Math.abs(expected) + 1e-6 * 0.01 + 1e-44;
  }

  test('Sophia, any finite gradients, unaligned memory, odd lengths', async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (cases) => {
        const values = unaligned(cases.map(({ value }) => value));
        const gradients = unaligned(cases.map(({ gradient }) => gradient));
        const from = unaligned(cases.map(({ curvature }) => curvature));
        const before = values.array.slice();
        const sophia = new Sophia(
          { values, gradients },
          { learningRate: 0.01, weightDecay: 0.1, rho: 0.5, betas: [0.5, 0.9] },
        );
        const stats = await sophia.step({ hessian: { from, batchSize: 2 } });
        expect(stats.skipped).toBe(false);
        for (const [i, x] of values.array.entries()) {
          const h = Math.fround(0.1 * 2 * from.array[i]! ** 2);
          const m = 0.5 * gradients.array[i]!;
          const ratio = Math.abs(m) / (0.5 * h + 1e-15);
          const expected = before[i]! * (1 - 0.001) - 0.01 * Math.sign(m) * Math.min(1, ratio);
          if (!agree(x, expected)) throw new Error(`element ${i}: ${x} instead of ${expected}`);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test('AdamW, gradients whose square is finite, unaligned memory, odd lengths', async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (cases) => {
        const values = unaligned(cases.map(({ value }) => value));
        const gradients = unaligned(cases.map(({ gradient }) => (Math.abs(gradient) > 1e18 ? 1 : gradient)));
        const before = values.array.slice();
        const adamw = new AdamW({ values, gradients }, { learningRate: 0.01, weightDecay: 0.1, epsilon: 1e-6 });
        await adamw.step();
        for (const [i, x] of values.array.entries()) {
          const g = gradients.array[i]!;
          const expected = before[i]! * (1 - 0.001) - (0.01 * g) / (Math.abs(g) + 1e-6);
          if (!agree(x, expected)) throw new Error(`element ${i}: ${x} instead of ${expected}`);
        }
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  test('nothing at all is stepped without trouble', async () => {
    for (const Optimizer of [AdamW, Sophia]) {
      const optimizer = new Optimizer({ values: FlatBuffer.alloc(0), gradients: FlatBuffer.alloc(0) });
      expect(await optimizer.step()).toMatchObject({ step: 1, changedFraction: 0, gradientNorm: 0 });
    }
  });

  test('blocks and tails of every length give what a whole gives', async () => {
    for (const length of [1, 15, 16, 17, 1023, 1024, 1025, 2049]) {
      const long = setUp(3000);
      const short = { values: FlatBuffer.from(hashed(1, length)), gradients: FlatBuffer.from(hashed(2, length)) };
      await new AdamW(long).step();
      await new AdamW(short).step();
      expect(short.values.array).toEqual(long.values.array.slice(0, length));
    }
  });
});
