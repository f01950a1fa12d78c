import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addNormal,
  addSign,
  axpy,
  cast,
  dot,
  FlatBuffer,
  type RoundingOptions,
  scale,
  softThreshold,
} from '../../../lib/index.ts';
import { bfloat16Neighbours } from '../../native/bfloat16.ts';
import { hashed } from '../../optim/hashed.ts';
import { make, number, numbersOf, roundedTo, skews, type Vector, vector, vectors } from './vectors.ts';

/** The standard normal numbers of a seed and a count. */
async function normalsOf(length: number, draws: { seed: bigint; count?: number }): Promise<Float32Array> {
  const zeros = FlatBuffer.alloc(length);
  await addNormal(1, zeros, zeros, draws);
  return zeros.array;
}

describe('updates', () => {
  const factors = fc.oneof(
    fc.float({ noNaN: true, min: -(2 ** 30), max: 2 ** 30 }),
    fc.constantFrom(0, -0, 1, 1e-40, 3e38),
  );

  test('axpy and scale are float32 arithmetic, rounded to the dtype', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, number), factors, async (specifications, alpha) => {
        const [x, y] = (await make(specifications)) as [Vector, Vector];
        const factor = Math.fround(alpha);
        const sums = y.numbers.map((value, i) =>
          roundedTo(y.buffer.dtype, Math.fround(Math.fround(factor * x.numbers[i]!) + value)),
        );
        await axpy(alpha, x.buffer, y.buffer);
        expect(numbersOf(y.buffer)).toEqual(sums);
        await scale(x.buffer, alpha);
        expect(numbersOf(x.buffer)).toEqual(
          x.numbers.map((value) => roundedTo(x.buffer.dtype, Math.fround(factor * value))),
        );
      }),
      { seed: 4 },
    );
  });

  test('addSign adds alpha, -alpha, or nothing where x is 0', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, number), factors, async (specifications, alpha) => {
        const [x, y] = (await make(specifications)) as [Vector, Vector];
        const sums = y.numbers.map((value, i) =>
          roundedTo(y.buffer.dtype, Math.fround(Math.fround(alpha) * Math.sign(x.numbers[i]!) + value)),
        );
        await addSign(alpha, x.buffer, y.buffer);
        expect(numbersOf(y.buffer)).toEqual(sums);
        expect(numbersOf(x.buffer)).toEqual(x.numbers);
      }),
      { seed: 7 },
    );
  });

  test('softThreshold shrinks magnitudes as float64 does, to 0 at most, and leaves what is frozen to the bit', async () => {
    const thresholds = fc.oneof(fc.float({ noNaN: true, min: 0, max: 2 ** 30 }), fc.constantFrom(0, 1e-40, 1, 3e38));
    const masks = fc.option(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 20, maxLength: 20 }));
    await fc.assert(
      fc.asyncProperty(vectors(1, number), thresholds, masks, skews, async (specifications, by, bytes, skew) => {
        const [{ buffer, numbers }] = (await make(specifications)) as [Vector];
        const threshold = Math.fround(by);
        const expected = numbers.map((value, i) => {
          if (bytes !== null && (bytes[Math.floor(i / 8)]! & (1 << (i % 8))) !== 0) return value;
          const rest = Math.max(Math.abs(value) - threshold, 0);
          return roundedTo(buffer.dtype, value < 0 || Object.is(value, -0) ? -rest : rest);
        });
        const length = Math.ceil(numbers.length / 8);
        const mask = FlatBuffer.alloc(length + skew, { dtype: 'u8' }).view(skew);
        mask.array.set(bytes?.slice(0, length) ?? []);
        await softThreshold(buffer, by, bytes === null ? {} : { frozen: mask });
        expect(numbersOf(buffer)).toEqual(expected);
      }),
      { seed: 8, numRuns: 300 },
    );
  });

  test('addNormal adds the draws of its seed to whatever dtypes, and nothing to what is frozen, to the bit', async () => {
    const masks = fc.option(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 20, maxLength: 20 }));
    const factors = fc.oneof(fc.float({ noNaN: true, min: -(2 ** 30), max: 2 ** 30 }), fc.constantFrom(0, 1e-40, 1));
    await fc.assert(
      fc.asyncProperty(vectors(2, number), factors, masks, skews, async (specifications, factor, bytes, skew) => {
        const [source, target] = (await make(specifications)) as [Vector, Vector];
        const normals = await normalsOf(source.numbers.length, { seed: 9n, count: 4 });
        const length = Math.ceil(normals.length / 8);
        const mask = FlatBuffer.alloc(length + skew, { dtype: 'u8' }).view(skew);
        mask.array.set(bytes?.slice(0, length) ?? []);
        await addNormal(factor, source.buffer, target.buffer, {
          seed: 9n,
          count: 4,
          ...(bytes === null ? {} : { frozen: mask }),
        });
        const expected = source.numbers.map((value, i) => {
          const isFrozen = bytes !== null && (bytes[Math.floor(i / 8)]! & (1 << (i % 8))) !== 0;
          const sum = isFrozen ? value : Math.fround(value + Math.fround(Math.fround(factor) * normals[i]!));
          return roundedTo(target.buffer.dtype, sum);
        });
        expect(numbersOf(target.buffer)).toEqual(expected);
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  test.each(['f32', 'bf16'] as const)('x may be y: %s', async (dtype) => {
    const { buffer, numbers } = await vector(hashed(1, 5001), dtype, 1);
    await axpy(0.5, buffer, buffer.view(0));
    expect(numbersOf(buffer)).toEqual(numbers.map((x) => roundedTo(dtype, Math.fround(Math.fround(0.5 * x) + x))));
  });

  test('stochastic rounding goes to neighbours, and its mean is right', async () => {
    const length = 20_000;
    const x = (await vector(hashed(1, length), 'f32')).buffer;
    const y = await vector(hashed(2, length), 'bf16', 1);
    const exact = y.numbers.map((value, i) => Math.fround(Math.fround(0.25 * x.array[i]!) + value));
    const options: RoundingOptions = { rounding: 'stochastic', seed: 5n, count: 1 };
    await axpy(0.25, x, y.buffer, options);
    checkUnbiased(numbersOf(y.buffer), exact);

    const before = numbersOf(y.buffer);
    await scale(y.buffer, 1.1, options);
    checkUnbiased(
      numbersOf(y.buffer),
      before.map((value) => Math.fround(Math.fround(1.1) * value)),
    );
    const larger = numbersOf(y.buffer);
    await softThreshold(y.buffer, 0.0123, options);
    checkUnbiased(
      numbersOf(y.buffer),
      larger.map((value) => Math.sign(value) * Math.max(Math.fround(Math.abs(value) - Math.fround(0.0123)), 0)),
    );
    await scale(y.buffer, 2, options);
    const kept = numbersOf(y.buffer);
    await scale(y.buffer, 1, options);
    expect(numbersOf(y.buffer)).toEqual(kept);
  });

  test('stochastic draws follow the index, not the length', async () => {
    const options: RoundingOptions = { rounding: 'stochastic', seed: 5n };
    const long = await vector(hashed(1, 3000), 'bf16');
    const short = await vector(long.numbers.slice(0, 1237), 'bf16', 1);
    for (const { buffer } of [long, short]) {
      await axpy(0.3, buffer, buffer, options);
      await scale(buffer, 0.7, options);
      await softThreshold(buffer, 0.0123, options);
      await addSign(0.0321, buffer, buffer, options);
      await addNormal(0.0123, buffer, buffer, { ...options, seed: 5n });
    }
    expect(numbersOf(short.buffer)).toEqual(numbersOf(long.buffer).slice(0, 1237));
  });

  function checkUnbiased(found: readonly number[], exact: readonly number[]): void {
    let drift = 0;
    let variance = 0;
    for (const [i, x] of exact.entries()) {
      const [low, high] = bfloat16Neighbours(x);
      expect([low, high]).toContain(found[i]);
      drift += found[i]! - x;
      variance += (x - low) * (high - x);
    }
    expect(Math.abs(drift)).toBeLessThan(5 * Math.sqrt(variance));
  }

  test('calls run in their order, awaited or not', async () => {
    const x = FlatBuffer.from(new Float32Array(50_000).fill(1));
    const y = FlatBuffer.alloc(50_000, { dtype: 'bf16' });
    const sums: Promise<number>[] = [];
    for (let i = 1; i <= 50; i++) {
      axpy(1, x, y);
      sums.push(dot(x, y));
      cast(y, x);
      scale(x, 1 / i);
      x.fill(1);
    }
    expect(await Promise.all(sums)).toEqual(Array.from({ length: 50 }, (_, i) => 50_000 * (i + 1)));
  });
});

describe('casts', () => {
  test('round to the nearest; within one dtype they copy, overlapping or not', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, number), async (specifications) => {
        const [source, target] = (await make(specifications)) as [Vector, Vector];
        await cast(source.buffer, target.buffer);
        expect(numbersOf(target.buffer)).toEqual(source.numbers.map((x) => roundedTo(target.buffer.dtype, x)));
      }),
      { seed: 5 },
    );
    const { buffer } = await vector([1, 2, 3, 4], 'bf16');
    await cast(buffer.view(0, 3), buffer.view(1, 3));
    expect(numbersOf(buffer)).toEqual([1, 1, 2, 3]);
  });
});
