import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { bfloat16Values, nearestBfloat16 } from '../native/bfloat16.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape } from './launch-shapes.ts';
import { divergenceOfRows, firstDifference, rowShapes, rowsOnDevice, scoreRows } from './token-rows.ts';

/** Of bfloat16 every loss is that of the same numbers in float32, which token-loss.test.ts holds against float64. */

/** Numbers of bfloat16. */
const rowsOf = (stream: number, rows: number, vocabulary: number, scale: number): Float32Array =>
  hashed(stream, rows * vocabulary).map((x) => nearestBfloat16(x * scale));

const labelsOf = (rows: number, vocabulary: number): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);

/** Of float32 gradients those in bfloat16. */
const rounded = (gradients: Float32Array): Float32Array => gradients.map(nearestBfloat16);

/** Given labels and drawn ones, and the gradients of the given ones, of rows in either dtype. */
async function expectTokenLosses(logits: Float32Array, vocabulary: number, skew: number): Promise<void> {
  const labels = labelsOf(logits.length / vocabulary, vocabulary);
  const weights = hashed(9, labels.length);
  const [narrow, wide] = [await rowsOnDevice(logits, skew, 'bf16'), await rowsOnDevice(logits, skew)];
  const scores = await scoreRows(narrow.memory, vocabulary, labels);
  expect(scores).toEqual(await scoreRows(wide.memory, vocabulary, labels));
  const drawn = async ({ memory }: typeof narrow) => {
    const figures = { sampledLabels: new Int32Array(labels.length), nll: new Float32Array(labels.length) };
    await nativeAddon().scoreTokens(memory, vocabulary, { ...figures, sampleSeed: 4n, firstRow: 2n });
    return figures;
  };
  expect(await drawn(narrow)).toEqual(await drawn(wide));
  expect(firstDifference(await narrow.read(), logits)).toBeUndefined();
  for (const { memory } of [narrow, wide])
    await nativeAddon().tokenGradient(memory, vocabulary, labels, weights, scores.logSumExp);
  expect(firstDifference(await narrow.read(), rounded(await wide.read()))).toBeUndefined();
}

/** With either of the two in bfloat16, and both. */
async function expectDivergences(
  logits: Float32Array,
  reference: Float32Array,
  vocabulary: number,
  [skew, referenceSkew]: readonly [number, number],
): Promise<void> {
  const rows = logits.length / vocabulary;
  const weights = hashed(9, rows);
  const measured = async (dtype: 'f32' | 'bf16', referenceDtype: 'f32' | 'bf16') => {
    const own = await rowsOnDevice(logits, skew, dtype);
    const other = await rowsOnDevice(reference, referenceSkew, referenceDtype);
    const figures = await divergenceOfRows(own.memory, other.memory, vocabulary, rows);
    const { sums, referenceSums } = figures;
    await nativeAddon().divergenceGradient(own.memory, other.memory, vocabulary, weights, sums, referenceSums);
    expect(firstDifference(await other.read(), reference)).toBeUndefined();
    return { figures, gradients: await own.read() };
  };
  const { figures, gradients } = await measured('f32', 'f32');
  for (const [dtype, referenceDtype, wanted] of [
    ['bf16', 'bf16', rounded(gradients)],
    ['bf16', 'f32', rounded(gradients)],
    ['f32', 'bf16', gradients],
  ] as const) {
    const found = await measured(dtype, referenceDtype);
    expect(found.figures).toEqual(figures);
    expect(firstDifference(found.gradients, wanted)).toBeUndefined();
  }
}

/** Rows, vocabulary, the logits' range. */
const sizes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 3, 30],
  [4, 31, 1],
  [7, 33, 100],
  [40, 257, 1e4],
  [2, 7001, 12],
] as const;

const courses: [string, (x: number, i: number, vocabulary: number) => number][] = [
  ['a token nearly certain', (x, i, vocabulary) => (i === vocabulary >> 1 ? 30 : x)],
  ['stretches of masked tokens', (x, i) => (i % 1500 < 1000 ? -Infinity : 9 * x)],
  ['masked as a whole', () => -Infinity],
  ['with NaN', (x, i) => (i === 1100 ? Number.NaN : x)],
  ['with infinity', (x, i) => (i === 1100 ? Infinity : x)],
  ['near the largest number', (x) => 3e38 * x],
];

describe.each(rowShapes)('launched as %p', (shape) => {
  test('token losses are those of the same numbers in float32, gradients rounded to the nearest', async () => {
    for (const [rows, vocabulary, scale] of sizes) {
      const logits = rowsOf(vocabulary, rows, vocabulary, scale);
      for (const skew of vocabulary < 1000 ? [0, 1, 2, 3] : [1])
        await inShape(shape, () => expectTokenLosses(logits, vocabulary, skew));
    }
  });

  test('so are divergences', async () => {
    for (const [rows, vocabulary, scale] of sizes) {
      const logits = rowsOf(vocabulary, rows, vocabulary, scale);
      const reference = rowsOf(vocabulary + 1, rows, vocabulary, scale / 2);
      // Rows that lie alike, and rows that do not.
      for (const skews of [
        [1, 1],
        [0, 3],
      ] as const)
        await inShape(shape, () => expectDivergences(logits, reference, vocabulary, skews));
    }
  });

  test.each(courses)('so are those of long rows: %s', async (_, course) => {
    const vocabulary = 2501;
    const logits = hashed(3, 2 * vocabulary).map((x, i) => nearestBfloat16(course(x, i % vocabulary, vocabulary)));
    const other = rowsOf(4, 2, vocabulary, 6);
    await inShape(shape, async () => {
      await expectTokenLosses(logits, vocabulary, 3);
      await expectDivergences(logits, other, vocabulary, [3, 3]);
      await expectDivergences(other, logits, vocabulary, [3, 2]);
    });
  });
});

test('of any bits, at any place', async () => {
  const bits = fc.oneof(
    fc.integer({ min: 0, max: 0xffff }),
    fc.constantFrom(0xff80, 0x7f80, 0x7fc0, 0x8000, 0x7f7f, 1, 0x4140, 0xc140),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(bits, bits), { minLength: 1, maxLength: 200 }),
      fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
      async (pairs, skews) => {
        const [logits, reference] = [0, 1].map((side) => bfloat16Values(pairs.map((pair) => pair[side]!)));
        await expectTokenLosses(logits!, pairs.length, skews[0]);
        await expectDivergences(logits!, reference!, pairs.length, skews);
      },
    ),
    { seed: 8, numRuns: 60 },
  );
});

test('gradients are rounded to the nearest, ties to even', async () => {
  const weights = Float32Array.of(
    ...[1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -23, 1 + 2 ** -8 - 2 ** -23, -(1 + 2 ** -8)],
    ...[1e-40, 3 * 2 ** -134, 2 ** -134, 2 ** -149, 0, 3.396e38, 3.4e38, -3.4e38, Infinity, Number.NaN],
  );
  const zeros = new Float32Array(weights.length);
  // With a log-sum-exp of 0 the second token has a probability of 1, and the label, which is masked, of 0.
  const device = await rowsOnDevice(Float32Array.from([...weights].flatMap(() => [-Infinity, 0])), 1, 'bf16');
  await nativeAddon().tokenGradient(device.memory, 2, new Int32Array(weights.length), weights, zeros);
  const wanted = [...weights].flatMap((x) => [nearestBfloat16(-x), nearestBfloat16(x)]);
  expect([...(await device.read())]).toEqual(wanted);
});
