import { describe, expect, test } from '@jest/globals';
import { cast, FlatBuffer, type RoundingOptions } from '../../lib/index.ts';
import { bfloat16Neighbours, bfloat16Value, nearestBfloat16 } from './bfloat16.ts';
import { chiSquareZ } from './chi-square.ts';
import { underEveryConfiguration } from './configurations.ts';

const everyPattern = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

/** float32 whose upper half is every pattern, and whose lower half is `low` or a hash. */
function withLowerHalf(low: (upper: number) => number): Float32Array<ArrayBuffer> {
  const words = Uint32Array.from(everyPattern, (upper) => ((upper << 16) | (low(upper) & 0xffff)) >>> 0);
  return new Float32Array(words.buffer);
}

async function rounded(values: Float32Array<ArrayBuffer>, options: RoundingOptions = {}): Promise<Uint16Array> {
  const target = FlatBuffer.alloc(values.length, { dtype: 'bf16' });
  await cast(FlatBuffer.from(values), target, options);
  return target.array;
}

/** Indices at which two lists of numbers differ; NaN equals NaN, and 0 is not -0. */
function differing(found: ArrayLike<number>, expected: ArrayLike<number>): number[] {
  const indices: number[] = [];
  for (let i = 0; i < expected.length; i++) if (!Object.is(found[i], expected[i])) indices.push(i);
  return indices;
}

const stochastic = (seed: bigint, count = 0) => ({ rounding: 'stochastic' as const, seed, count });

describe('bfloat16', () => {
  test('every pattern widens to its number', async () => {
    const wide = await FlatBuffer.from(everyPattern).toFloat32Array();
    expect(differing(wide, [...everyPattern].map(bfloat16Value))).toEqual([]);
  });

  test.each([['nearest', {}] as const, ['stochastic', stochastic(5n)] as const])(
    'every pattern comes back from float32, rounded %s; NaN as a quiet one',
    async (_, options) => {
      const wide = await FlatBuffer.from(everyPattern).toFloat32Array();
      const expected = everyPattern.map((bits) => (Number.isNaN(bfloat16Value(bits)) ? bits | 0x40 : bits));
      expect(differing(await rounded(Float32Array.from(wide), options), expected)).toEqual([]);
    },
  );

  test.each<[string, (upper: number) => number]>([
    ['ties', () => 0x8000],
    ['just below ties', () => 0x7fff],
    ['just above ties', () => 0x8001],
    ['hashed lower halves', (upper) => Math.imul(upper, 0x9e3779b1) >>> 7],
    ['the smallest lower half', () => 1],
  ])('rounds to the nearest, ties to even: %s', async (_, low) => {
    const values = withLowerHalf(low);
    const found = Array.from(await rounded(values), bfloat16Value);
    expect(differing(found, Array.from(values, nearestBfloat16))).toEqual([]);
  });

  test('fill and copyFrom round numbers of JavaScript to float32 and on to the nearest', async () => {
    const numbers = [0.1, -0, 1e300, -1e-300, 3.4e38, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1e-40, Number.NaN, -Infinity];
    const expected = numbers.map((x) => nearestBfloat16(Math.fround(x)));
    const buffer = FlatBuffer.alloc(numbers.length, { dtype: 'bf16' });
    await buffer.copyFrom(Float64Array.from(numbers));
    expect(Array.from(buffer.array, bfloat16Value)).toEqual(expected);
    for (const [i, x] of numbers.entries()) {
      await buffer.fill(x);
      expect(bfloat16Value(buffer.array[7]!)).toBe(expected[i]);
    }
  });
});

describe('stochastic rounding', () => {
  const draws = 1 << 18;

  test.each([
    ['a tie', 1 + 2 ** -8],
    ['an eighth of the way', 1 + 2 ** -10],
    ['the smallest step above a number', 1 + 2 ** -23],
    ['the smallest step below a number', 1 - 2 ** -24],
    ['a negative number', -Math.fround(0.3)],
    ['a denormal number', 3.3 * 2 ** -133],
    ['between 0 and the smallest number', 2 ** -135],
    ['above the largest finite number', 2 ** 128 - 2 ** 118],
  ])('goes to both neighbours of %s, and its mean is the number', async (_, number) => {
    const x = Math.fround(number);
    const [low, high] = bfloat16Neighbours(x);
    const found = Array.from(await rounded(new Float32Array(draws).fill(x), stochastic(1n)), bfloat16Value);
    const ups = found.filter((value) => value === high).length;
    expect(found.filter((value) => value === low).length).toBe(draws - ups);
    // Infinity stands where the next number would be.
    const share = (x - low) / (Math.min(high, 2 ** 128) - low);
    expect(Math.abs(ups - draws * share)).toBeLessThanOrEqual(5 * Math.sqrt(draws * share * (1 - share)));
  });

  test('over many roundings the mean of each element is its number', async () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => 1 + (i * 1021 + 1) / 2 ** 23);
    const source = FlatBuffer.from(values);
    const target = FlatBuffer.alloc(values.length, { dtype: 'bf16' });
    const sums = new Float64Array(values.length);
    const roundings = 4000;
    for (let count = 0; count < roundings; count++) {
      await cast(source, target, { rounding: 'stochastic', seed: 3n, count });
      for (const [i, bits] of target.array.entries()) sums[i]! += bfloat16Value(bits);
    }
    for (const [i, x] of values.entries()) {
      const [low, high] = bfloat16Neighbours(x);
      const deviation = Math.sqrt(((x - low) * (high - x)) / roundings);
      expect(Math.abs(sums[i]! / roundings - x)).toBeLessThanOrEqual(5 * deviation);
    }
  });

  test('draws of elements are independent of those after them', async () => {
    const bits = await rounded(new Float32Array(draws).fill(1 + 2 ** -8), stochastic(7n));
    const up = (i: number) => bits[i]! & 1;
    for (const distance of [1, 2, 3, 8, 16, 64, 1024]) {
      const counts = new Float64Array(8);
      const triples = draws - 2 * distance;
      for (let i = 0; i < triples; i++) counts[up(i) * 4 + up(i + distance) * 2 + up(i + 2 * distance)]! += 1;
      expect(Math.abs(chiSquareZ(counts, new Float64Array(8).fill(triples / 8)))).toBeLessThan(5);
    }
  });

  test('draws are a function of seed, count and index in the buffer', async () => {
    const values = new Float32Array(4000).fill(1 + 2 ** -8);
    const base = await rounded(values, stochastic(1n, 2));
    expect(await rounded(values, stochastic(1n, 2))).toEqual(base);
    expect(await rounded(values.slice(0, 100), stochastic(1n, 2))).toEqual(base.slice(0, 100));
    for (const other of [stochastic(2n, 2), stochastic(1n, 3), stochastic(2n, 1), stochastic(1n + 2n ** 32n, 2)]) {
      const agreeing = (await rounded(values, other)).filter((bits, i) => bits === base[i]).length;
      expect(Math.abs(agreeing - 2000)).toBeLessThan(5 * Math.sqrt(1000));
    }
  });
});

test('every configuration rounds to the same bits', async () => {
  const values = withLowerHalf((upper) => Math.imul(upper, 0x85ebca6b) >>> 9).slice(3, 65_530);
  const results = await underEveryConfiguration(async () => [
    await rounded(values),
    await rounded(values, stochastic(11n)),
    await FlatBuffer.from(everyPattern.slice(1)).toFloat32Array(),
  ]);
  const [first] = results.values();
  for (const [name, found] of results) {
    for (const [i, array] of found.entries()) {
      expect([name, Buffer.compare(bytesOf(array), bytesOf(first![i]!))]).toEqual([name, 0]);
    }
  }
});

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
