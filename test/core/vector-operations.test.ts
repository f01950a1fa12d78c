import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addSign,
  axpy,
  cast,
  countNonFinite,
  dot,
  FlatBuffer,
  gram,
  quantile,
  type RoundingOptions,
  SoulError,
  scale,
  softThreshold,
  squaredNorm,
} from '../../lib/index.ts';
import { bfloat16Neighbours, bfloat16Value, nearestBfloat16 } from '../native/bfloat16.ts';
import { underEveryConfiguration } from '../native/configurations.ts';
import { hashed } from '../optim/hashed.ts';

type Floating = 'f32' | 'bf16';

/** A buffer of `dtype` that starts at element `skew` of its memory, and its numbers in float64. */
interface Vector {
  buffer: FlatBuffer<Floating>;
  numbers: number[];
}

const anything = (value: unknown) => value as never;

async function vector(numbers: ArrayLike<number>, dtype: Floating, skew = 0): Promise<Vector> {
  const buffer = FlatBuffer.alloc(numbers.length + skew, { dtype }).view(skew);
  await buffer.copyFrom(Float64Array.from(numbers));
  return { buffer, numbers: numbersOf(buffer) };
}

function numbersOf({ array, dtype }: FlatBuffer<Floating>): number[] {
  return Array.from(array, dtype === 'f32' ? (x) => x : bfloat16Value);
}

function roundedTo(dtype: Floating, x: number): number {
  return dtype === 'f32' ? Math.fround(x) : nearestBfloat16(Math.fround(x));
}

const dtypes = fc.constantFrom<Floating>('f32', 'bf16');
const finite = fc.oneof(
  fc.float({ noNaN: true, min: -(2 ** 60), max: 2 ** 60 }),
  fc.constantFrom(0, -0, 1e-40, -3e-45, 1, -1, 0.1, 1e18),
);
const number = fc.oneof(finite, fc.constantFrom(Number.NaN, Infinity, -Infinity, 3.4028234663852886e38));
const skews = fc.integer({ min: 0, max: 7 });

/** Some vectors of one length, of any dtypes and starts. */
function vectors(count: number, element: fc.Arbitrary<number>): fc.Arbitrary<Parameters<typeof vector>[]> {
  return fc.integer({ min: 0, max: 150 }).chain((length) =>
    fc.array(fc.tuple(fc.array(element, { minLength: length, maxLength: length }), dtypes, skews), {
      minLength: count,
      maxLength: count,
    }),
  );
}

const make = (specifications: Parameters<typeof vector>[]) =>
  Promise.all(specifications.map((specification) => vector(...specification)));

/** In float64; products of two float32 are exact there. */
function innerProduct(a: readonly number[], b: readonly number[]): { sum: number; scale: number } {
  const terms = a.map((x, i) => x * b[i]!);
  return {
    sum: terms.reduce((sum, term) => sum + term, 0),
    scale: terms.reduce((sum, term) => sum + Math.abs(term), 0),
  };
}

async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SoulError) return error.code;
    throw error;
  }
  return 'no error';
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

test('every configuration gives the same bits', async () => {
  const length = 5 * 16_384 + 777;
  const odd = [0, -0, 1e-42, -1e-39, 3e18, -3e18, 1e-20];
  const list = (stream: number) => hashed(stream, length).map((x, i) => (i % 97 === 0 ? odd[i % odd.length]! : x));
  const sources = [list(1), list(2), list(3), list(4)];
  const stochastic: RoundingOptions = { rounding: 'stochastic', seed: 3n };
  const frozen = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8' });
  frozen.array.forEach((_, i, bytes) => {
    bytes[i] = [0, 255, i][Math.floor(i / 300) % 3]!;
  });
  const results = await underEveryConfiguration(async () => {
    const figures: unknown[] = [];
    for (const [first, second] of [['f32', 'f32'] as const, ['bf16', 'bf16'] as const, ['f32', 'bf16'] as const]) {
      const made: FlatBuffer<Floating>[] = [];
      for (const [i, source] of sources.entries()) {
        made.push((await vector(source, i % 2 === 0 ? first : second, 2 * i + 1)).buffer);
      }
      const [a, b] = made as [FlatBuffer<Floating>, FlatBuffer<Floating>];
      figures.push(await gram(made), await squaredNorm(a), await countNonFinite(b), await dot(a, b));
      for (const kind of ['magnitude', 'product', 'ratio'] as const)
        figures.push(await quantile({ of: kind, a, b }, 0.3));
      await axpy(0.3, a, b, stochastic);
      await axpy(-0.7, b, a);
      await scale(b, 0.9, stochastic);
      await scale(a, 1.3);
      await addSign(0.011, a, b, stochastic);
      await softThreshold(a, 0.017, { frozen, ...stochastic });
      await softThreshold(b, 0.013);
      figures.push(Buffer.from(a.array.slice().buffer).toString('base64'));
      figures.push(Buffer.from(b.array.slice().buffer).toString('base64'));
    }
    return figures;
  });
  const [first] = results.values();
  for (const [name, figures] of results) {
    expect([name, figures.map((figure, i) => JSON.stringify(figure) === JSON.stringify(first![i]))]).toEqual([
      name,
      figures.map(() => true),
    ]);
  }
});

test.each(['f32', 'bf16'] as const)('buffers of length 0 do nothing and sum to 0: %s', async (dtype) => {
  const [a, b] = [FlatBuffer.alloc(0, { dtype }), FlatBuffer.alloc(3, { dtype: 'bf16' }).view(3)];
  const stochastic: RoundingOptions = { rounding: 'stochastic', seed: 1n };
  expect(await Promise.all([dot(a, b), squaredNorm(b), countNonFinite(a)])).toEqual([0, 0, 0]);
  expect(await gram([a, b])).toEqual([
    [0, 0],
    [0, 0],
  ]);
  for (const options of [{}, stochastic]) {
    await Promise.all([axpy(2, a, b, options), scale(b, 2, options), cast(a, b, options), cast(b, a, options)]);
    await Promise.all([addSign(2, a, b, options), softThreshold(b, 2, options)]);
  }
  for (const kind of ['product', 'ratio'] as const) expect(await quantile({ of: kind, a, b }, 0.5)).toBeNaN();
});

describe('what cannot be computed with is refused', () => {
  const one = FlatBuffer.alloc(4);
  const other = FlatBuffer.alloc(5);
  const bytes = FlatBuffer.alloc(4, { dtype: 'u8' });

  test.each<[string, () => Promise<unknown>]>([
    ['bytes: squaredNorm', () => squaredNorm(bytes)],
    ['bytes: countNonFinite', () => countNonFinite(bytes)],
    ['bytes: axpy', () => axpy(1, one, bytes)],
    ['bytes: addSign', () => addSign(1, bytes, one)],
    ['bytes: softThreshold', () => softThreshold(bytes, 1)],
    ['bytes: cast', () => cast(bytes, one)],
    ['bytes: quantile', () => quantile({ of: 'ratio', a: one, b: bytes }, 0.5)],
    ['lengths: dot', () => dot(one, other)],
    ['lengths: gram', () => gram([one, one, other])],
    ['lengths: axpy', () => axpy(1, other, one)],
    ['lengths: cast', () => cast(one, other)],
    ['lengths: quantile', () => quantile({ of: 'product', a: one, b: other }, 0.5)],
    ['no buffers', () => gram([])],
    ['five buffers', () => gram([one, one, one, one, one])],
    ['a list with holes', () => gram(new Array(2))],
    ['no list', () => gram(anything(one))],
    ['no buffer', () => squaredNorm(anything(new Float32Array(4)))],
    ['alpha: NaN', () => axpy(Number.NaN, one, one)],
    ['alpha: beyond float32', () => axpy(1e39, one, one)],
    ['by: below 0', () => softThreshold(one, -1)],
    ['by: infinite', () => softThreshold(one, Infinity)],
    ['frozen: of another length', () => softThreshold(one, 1, { frozen: FlatBuffer.alloc(2, { dtype: 'u8' }) })],
    ['factor: text', () => scale(one, anything('2'))],
    ['rounding: its name', () => scale(one, 2, { rounding: anything('up') })],
    ['rounding: no seed', () => scale(one, 2, { rounding: 'stochastic' })],
    ['rounding: a seed that is a number', () => cast(one, one, { seed: anything(1) })],
    ['rounding: a negative seed', () => cast(one, one, { rounding: 'stochastic', seed: -1n })],
    ['rounding: a fractional count', () => cast(one, one, { rounding: 'stochastic', seed: 1n, count: 0.5 })],
    ['rounding: null', () => cast(one, one, anything(null))],
    ['rounding: a name that is none', () => axpy(1, one, one, anything({ round: 'stochastic', seed: 1n }))],
    ['rounding: a list', () => scale(one, 2, anything([]))],
    ['fraction: 1.5', () => quantile({ of: 'magnitude', a: one }, 1.5)],
    ['fraction: NaN', () => quantile({ of: 'magnitude', a: one }, Number.NaN)],
    ['of: its name', () => quantile({ of: anything('sum'), a: one }, 0.5)],
    ['a ratio of one', () => quantile(anything({ of: 'ratio', a: one }), 0.5)],
    ['terms: a name that is none', () => quantile(anything({ of: 'magnitude', a: one, c: one }), 0.5)],
    ['no terms', () => quantile(anything(undefined), 0.5)],
  ])('%s', async (_, call) => {
    expect(await rejectionOf(call())).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('names that are none, with a hint', async () => {
    const round = anything({ round: 'stochastic', seed: 1n });
    for (const call of [() => axpy(1, one, one, round), () => scale(one, 1, round), () => cast(one, one, round)]) {
      await expect(call()).rejects.toThrow(/no option round; did you mean (rounding|count)\?/);
    }
    await expect(scale(one, 1, anything({ Seed: 1n }))).rejects.toThrow(/did you mean seed\?/);
  });

  test('memory that is shared in part', async () => {
    const buffer = FlatBuffer.alloc(10);
    expect(await rejectionOf(axpy(1, buffer.view(0, 5), buffer.view(4, 5)))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(axpy(1, buffer.view(4, 5), buffer.view(0, 5)))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(axpy(1, buffer.view(0, 5), buffer.view(5, 5)))).toBe('no error');
    const halves = FlatBuffer.from(new Uint16Array(buffer.array.buffer, buffer.array.byteOffset, 10));
    expect(await rejectionOf(axpy(1, halves, buffer))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(cast(buffer, halves))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(halves.copyFrom(buffer))).toBe('SOUL_ALIASED');
  });

  test('released memory', async () => {
    const gone = FlatBuffer.alloc(4);
    gone.release();
    for (const call of [
      () => squaredNorm(gone),
      () => gram([one, gone]),
      () => axpy(1, gone, one),
      () => axpy(1, one, gone),
      () => addSign(1, one, gone),
      () => scale(gone, 1),
      () => softThreshold(gone, 1),
      () => cast(one, gone),
      () => quantile({ of: 'product', a: one, b: gone }, 0),
    ]) {
      expect(await rejectionOf(call())).toBe('SOUL_RELEASED');
    }
  });
});
