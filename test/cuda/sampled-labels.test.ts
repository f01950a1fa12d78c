import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type NativeMemory, nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape } from './launch-shapes.ts';
import { rowShapes, rowsOnDevice } from './token-rows.ts';

async function sample(logits: NativeMemory, vocabulary: number, rows: number, seed: bigint, firstRow = 0n) {
  const sampledLabels = new Int32Array(rows);
  await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: seed, firstRow });
  return sampledLabels;
}

const courses: [string, (x: number, i: number, vocabulary: number) => number][] = [
  ['flat', () => 3],
  ['within 1', (x) => x],
  ['within 30', (x) => 30 * x],
  ['within 2000', (x) => 2000 * x],
  ['one high token', (x, i, vocabulary) => (i === vocabulary >> 1 ? 14 : x)],
  ['rising', (x, i) => 0.01 * i + x],
  ['rising by much', (x, i) => 2 * i + x],
  ['falling', (x, i) => x - 0.01 * i],
  ['mostly masked', (x, i) => (i % 97 === 5 ? x : -Infinity)],
  ['the first half masked', (x, i, vocabulary) => (i < vocabulary / 2 ? -Infinity : x)],
  ['masked', () => -Infinity],
  ['full of equal logits', (x) => Math.round(4 * x)],
  ['too large for a score to show its draw', (x) => 1e9 * x],
  ['equal, and too large for a score to show its draw', (x) => 1e9 * Math.round(4 * x)],
  ['equal, and so large that scores are coarse', (x) => Math.round(4 * x) - 1e6],
  ['near the largest number', (x) => 3e38 * x],
  ['far below 0', (x) => 8 * x - 1e5],
  ['with NaN', (x, i) => (i % 50 === 1 ? Number.NaN : x)],
  ['with infinity', (x, i) => (i % 700 === 699 ? Infinity : x)],
  ['with infinity in front and NaN', (x, i) => (i % 700 === 3 ? Infinity : i % 50 === 1 ? Number.NaN : x)],
];

/** [rows, vocabulary]. */
const sizes = [
  [2, 1],
  [9, 2],
  [9, 3],
  [9, 31],
  [9, 33],
  [5, 255],
  [3, 1025],
  [2, 4095],
] as const;

describe.each(rowShapes)('launched as %p', (shape) => {
  test.each(courses)('labels are those of the CPU: %s', async (_, course) => {
    for (const [rows, vocabulary] of sizes) {
      const logits = hashed(vocabulary, rows * vocabulary).map((x, i) => course(x, i % vocabulary, vocabulary));
      const wanted = await sample(logits, vocabulary, rows, 11n, 1000n);
      const { memory } = await rowsOnDevice(logits, vocabulary % 4);
      const found = await inShape(shape, () => sample(memory, vocabulary, rows, 11n, 1000n));
      expect([vocabulary, ...found]).toEqual([vocabulary, ...wanted]);
    }
  });

  test('they are scored as labels', async () => {
    const [rows, vocabulary] = [6, 3001];
    const { memory } = await rowsOnDevice(
      hashed(8, rows * vocabulary).map((x) => 6 * x),
      2,
    );
    await inShape(shape, async () => {
      const figures = () => ({
        nll: new Float32Array(rows),
        isArgmax: new Uint8Array(rows),
        meanLogP: new Float32Array(rows),
      });
      const sampledLabels = new Int32Array(rows);
      const [drawn, given] = [figures(), figures()];
      await nativeAddon().scoreTokens(memory, vocabulary, { sampledLabels, sampleSeed: 42n, ...drawn });
      await nativeAddon().scoreTokens(memory, vocabulary, { labels: sampledLabels, ...given });
      expect(drawn).toEqual(given);
      expect(sampledLabels).toEqual(await sample(memory, vocabulary, rows, 42n));
    });
  });
});

test('labels of a language model are those of the CPU, at every alignment', async () => {
  const vocabulary = 49152;
  const logits = hashed(5, vocabulary).map((x) => 10 * x);
  for (const [skew, seed] of [
    [0, 3n],
    [3, 2n ** 64n - 1n],
  ] as const) {
    const { memory } = await rowsOnDevice(logits, skew);
    const firstRow = 2n ** 40n;
    expect(await sample(memory, vocabulary, 1, seed, firstRow)).toEqual(
      await sample(logits, vocabulary, 1, seed, firstRow),
    );
  }
});

test('labels are a function of the seed and the row', async () => {
  const vocabulary = 500;
  const logits = hashed(8, 6 * vocabulary).map((x) => 3 * x);
  const whole = await rowsOnDevice(logits, 0);
  const rest = await rowsOnDevice(logits.slice(2 * vocabulary), 1);
  const all = await sample(whole.memory, vocabulary, 6, 42n);
  expect(await sample(rest.memory, vocabulary, 4, 42n, 2n)).toEqual(all.slice(2));
  expect(await sample(whole.memory, vocabulary, 6, 43n)).not.toEqual(all);
});

test('labels of any logits are those of the CPU', async () => {
  const logit = fc.oneof(fc.float(), fc.constantFrom(Number.NaN, Infinity, -Infinity, 0));
  await fc.assert(
    fc.asyncProperty(
      fc.array(logit, { minLength: 1, maxLength: 200 }),
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.integer({ min: 0, max: 3 }),
      async (row, seed, skew) => {
        const logits = Float32Array.from(row);
        const { memory } = await rowsOnDevice(logits, skew);
        expect(await sample(memory, row.length, 1, seed)).toEqual(await sample(logits, row.length, 1, seed));
      },
    ),
    { seed: 2, numRuns: 200 },
  );
});
