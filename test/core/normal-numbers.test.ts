import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { addNormal, FlatBuffer } from '../../lib/index.ts';
import { underEveryConfiguration } from '../native/configurations.ts';

const draws = 1_000_000;

async function normals(seed: bigint, count = 0, length = draws): Promise<Float32Array> {
  const buffer = FlatBuffer.alloc(length);
  await addNormal(1, buffer, buffer, { seed, count });
  return buffer.array;
}

function correlation(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) sum += a[i]! * b[i]!;
  return sum / length;
}

/** The standard normal distribution function, by its series (Marsaglia 2004), in float64. */
function distribution(x: number): number {
  if (x === 0) return 0.5;
  let sum = x;
  let term = x;
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

describe('normal numbers', () => {
  test.each([0n, 7n, 0xffffffffffffffffn])(
    'have the moments of a standard normal distribution (seed %s)',
    async (seed) => {
      const numbers = await normals(seed);
      // Standard deviations of the moments' means over independent draws: E z^2k - (E z^k)^2 under the root.
      const moments = [
        [1, 0, 1],
        [2, 1, 2],
        [3, 0, 15],
        [4, 3, 96],
        [6, 15, 10_170],
      ] as const;
      const sums = new Float64Array(moments.length);
      for (const z of numbers) for (let i = 0; i < sums.length; i++) sums[i]! += z ** moments[i]![0];
      for (const [i, [, expected, variance]] of moments.entries()) {
        expect(Math.abs(sums[i]! / draws - expected)).toBeLessThan(4 * Math.sqrt(variance / draws));
      }
    },
  );

  test.each([0n, 7n])('lie no farther from that distribution than a million draws do (seed %s)', async (seed) => {
    const sorted = (await normals(seed)).slice().sort();
    let distance = 0;
    // Every 50th, between which the distribution grows by no more than 5e-5.
    for (let i = 0; i < draws; i += 50) {
      const at = distribution(sorted[i]!);
      distance = Math.max(distance, (i + 1) / draws - at, at - i / draws);
    }
    // Kolmogorov's distribution: 1.95 is exceeded in one case of a thousand.
    expect((distance + 5e-5) * Math.sqrt(draws)).toBeLessThan(1.95);
    expect(sorted[0]).toBeLessThan(-4.4);
    expect(sorted.at(-1)).toBeGreaterThan(4.4);
  });

  test('of neighbouring elements, counts and seeds are independent, and their squares are', async () => {
    const base = await normals(5n);
    const others = [base.subarray(1), base.subarray(64), await normals(5n, 1), await normals(6n), await normals(1n, 5)];
    const centred = (numbers: Float32Array) => numbers.map((z) => (z * z - 1) / Math.SQRT2);
    for (const other of others) {
      expect(Math.abs(correlation(base, other))).toBeLessThan(4 / Math.sqrt(other.length));
      expect(Math.abs(correlation(centred(base), centred(other)))).toBeLessThan(4 / Math.sqrt(other.length));
    }
  });

  test('are a function of seed, count and element: not of length, place in memory or dtype', async () => {
    const long = await normals(3n, 2, 5000);
    const short = FlatBuffer.alloc(1240).view(3);
    await addNormal(1, short, short, { seed: 3n, count: 2 });
    expect(short.array).toEqual(long.slice(0, 1237));
    const narrow = FlatBuffer.alloc(5000, { dtype: 'bf16' });
    await addNormal(1, FlatBuffer.alloc(5000), narrow, { seed: 3n, count: 2 });
    const rounded = FlatBuffer.alloc(5000, { dtype: 'bf16' });
    await rounded.copyFrom(long);
    expect(narrow.array).toEqual(rounded.array);
  });

  test('have the same bits on every instruction set and any number of threads', async () => {
    const mask = FlatBuffer.from(Uint8Array.from({ length: 25_000 }, (_, i) => (i % 900 < 300 ? 0 : (i * 61) % 256)));
    for (const dtype of ['f32', 'bf16'] as const) {
      const results = await underEveryConfiguration(async () => {
        const source = FlatBuffer.alloc(200_003, { dtype }).view(3);
        const target = FlatBuffer.alloc(200_001, { dtype: 'bf16' }).view(1);
        await addNormal(0.3, source, source, { seed: 9n });
        await addNormal(0.1, source, target, { seed: 9n, count: 1, frozen: mask, rounding: 'stochastic' });
        return [source, target].map(({ array }) => createHash('sha256').update(array).digest('hex'));
      });
      const [first] = results.values();
      for (const [configuration, result] of results)
        expect([configuration, ...result]).toEqual([configuration, ...first!]);
    }
  });

  test('what is left out or wrong is refused by name', async () => {
    const buffer = FlatBuffer.alloc(16);
    const call = (options: unknown, factor = 1) => addNormal(factor, buffer, buffer, options as never);
    await expect(call({})).rejects.toThrow(/^seed must be a bigint/);
    await expect(call({ seed: 1 })).rejects.toThrow(/^seed must be a bigint/);
    await expect(call({ seed: 1n, count: -1 })).rejects.toThrow(/^count must be/);
    await expect(call({ seed: 1n, frozn: 1 })).rejects.toThrow(/frozen/);
    await expect(call({ seed: 1n, frozen: FlatBuffer.alloc(1, { dtype: 'u8' }) })).rejects.toThrow(/frozen/);
    await expect(call({ seed: 1n }, Number.NaN)).rejects.toThrow(/^factor must be/);
    await expect(addNormal(1, buffer.view(0, 8), buffer.view(4, 8), { seed: 1n })).rejects.toMatchObject({
      code: 'SOUL_ALIASED',
    });
  });
});
