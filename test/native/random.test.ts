import { describe, expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';
import { chiSquareZ } from './chi-square.ts';

async function bitsOf(seed: bigint, row: bigint, length: number): Promise<Uint32Array> {
  const bits = new Int32Array(length);
  await nativeAddon().randomBits(seed, row, bits);
  return new Uint32Array(bits.buffer);
}

const length = 1 << 16;

describe('random bits', () => {
  test('are a function of seed, row and element alone', async () => {
    const long = await bitsOf(7n, 3n, 1000);
    expect(await bitsOf(7n, 3n, 10)).toEqual(long.slice(0, 10));
    for (const [seed, row] of [
      [8n, 3n],
      [7n, 4n],
      [7n + (1n << 32n), 3n],
      [7n, 3n + (1n << 32n)],
      [3n, 7n],
    ] as const) {
      const other = await bitsOf(seed, row, 1000);
      expect(other.filter((word, i) => word === long[i]).length).toBeLessThan(3);
    }
  });

  test.each([0n, 1n, 0xffffffffffffffffn])('are uniform in every byte (seed %s)', async (seed) => {
    const bits = await bitsOf(seed, 0n, length);
    for (const shift of [0, 8, 16, 24]) {
      const counts = new Float64Array(256);
      for (const word of bits) counts[(word >>> shift) & 255]! += 1;
      expect(Math.abs(chiSquareZ(counts, new Float64Array(256).fill(length / 256)))).toBeLessThan(4);
    }
  });

  test('of neighbouring elements, rows and seeds are independent', async () => {
    const base = await bitsOf(5n, 0n, length);
    const nextElement = base.slice(1);
    const nextRow = await bitsOf(5n, 1n, length);
    const nextSeed = await bitsOf(6n, 0n, length);
    for (const other of [nextElement, nextRow, nextSeed]) {
      const counts = new Float64Array(256);
      for (const [i, word] of other.entries()) counts[(base[i]! >>> 28) * 16 + (word >>> 28)]! += 1;
      expect(Math.abs(chiSquareZ(counts, new Float64Array(256).fill(other.length / 256)))).toBeLessThan(4);
      let agreeing = 0;
      for (const [i, word] of other.entries()) agreeing += ones(~(base[i]! ^ word));
      const draws = 32 * other.length;
      expect(Math.abs(agreeing - draws / 2)).toBeLessThan(4 * Math.sqrt(draws / 4));
    }
  });
});

function ones(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count += 1;
  return count;
}
