import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { nearestBfloat16 } from '../native/bfloat16.ts';
import { exactTarget, gradientBound } from '../native/exact-target.ts';
import { labelsOf, rowsOf, scoreTargets } from '../native/target-rows.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape } from './launch-shapes.ts';
import { firstDifference, rowShapes, rowsOnDevice } from './token-rows.ts';

/** Rows, vocabulary, the logits' range. */
const sizes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 3, 30],
  [4, 31, 1],
  [7, 33, 100],
  [20, 257, 1e4],
  [2, 7001, 12],
] as const;

/** Holds values and gradients against float64, and gradients against the CPU's bits. */
async function expectTargets(
  logits: Float32Array,
  reference: Float32Array | undefined,
  vocabulary: number,
  shift: number,
  [skew, referenceSkew]: readonly [number, number],
  labels = labelsOf(logits.length / vocabulary, vocabulary),
): Promise<void> {
  const device = await rowsOnDevice(logits, skew);
  const other = reference && (await rowsOnDevice(reference, referenceSkew));
  const { crossEntropy, target } = await scoreTargets(device.memory, other?.memory, vocabulary, labels, shift);
  expect(firstDifference(await device.read(), logits)).toBeUndefined();
  const weights = hashed(9, labels.length);
  const wanted = logits.slice();
  await nativeAddon().targetGradient(wanted, reference, vocabulary, target, weights);
  await nativeAddon().targetGradient(device.memory, other?.memory, vocabulary, target, weights);
  const found = await device.read();
  if (other) expect(firstDifference(await other.read(), reference!)).toBeUndefined();
  for (const [row, label] of labels.entries()) {
    const part = [row * vocabulary, (row + 1) * vocabulary] as const;
    const own = logits.subarray(...part);
    const exact = exactTarget(own, reference?.subarray(...part), label, shift);
    const value = crossEntropy[row]!;
    const place = part[0] + label;
    if (Number.isFinite(Math.fround(exact.crossEntropy))) {
      expect(Math.abs(value - exact.crossEntropy)).toBeLessThanOrEqual(4e-6 * Math.max(1, exact.crossEntropy));
      const bound = gradientBound(exact, label, !other, [target.logSumExp[row]!, target.targetLogSumExp[row]!]);
      expect(Math.abs(found[place]! - weights[row]! * exact.gradient[label]!)).toBeLessThanOrEqual(bound);
    } else {
      expect(value).toBe(Math.fround(exact.crossEntropy));
    }
    // It is a sum where targets are the rows' own.
    if (!other) found[place] = wanted[place]!;
  }
  expect(firstDifference(found, wanted)).toBeUndefined();
}

const shifts = [-10, 0, 2.5, Number.NEGATIVE_INFINITY];

describe.each(rowShapes)('launched as %p', (shape) => {
  test.each(shifts)('targets whose label is shifted by %f agree with float64', async (shift) => {
    for (const [rows, vocabulary, scale] of sizes) {
      const logits = rowsOf(vocabulary, rows, vocabulary, scale);
      const reference = rowsOf(vocabulary + 1, rows, vocabulary, scale / 2);
      await inShape(shape, async () => {
        // Rows that lie alike within 16 bytes, and rows that do not.
        await expectTargets(logits, undefined, vocabulary, shift, [1, 0]);
        await expectTargets(logits, reference, vocabulary, shift, [1, 1]);
        await expectTargets(logits, reference, vocabulary, shift, [0, 3]);
      });
    }
  });

  test.each(shifts)('so do those of long rows with a label of any certainty, shifted by %f', async (shift) => {
    const vocabulary = 4001;
    for (const label of [0, 1777, vocabulary - 1]) {
      for (const logit of [-60, 18, 200]) {
        const logits = rowsOf(3, 1, vocabulary, 4);
        logits[label] = logit;
        const other = rowsOf(4, 1, vocabulary, 4);
        const labels = Int32Array.of(label);
        await inShape(shape, async () => {
          await expectTargets(logits, undefined, vocabulary, shift, [3, 0], labels);
          await expectTargets(other, logits, vocabulary, shift, [3, 2], labels);
        });
      }
    }
  });

  test.each(shifts)('of bfloat16 they are those of the same numbers in float32, shifted by %f', async (shift) => {
    for (const [rows, vocabulary] of [
      [5, 33],
      [2, 2501],
    ] as const) {
      const labels = labelsOf(rows, vocabulary);
      const weights = hashed(9, rows);
      const [logits, reference] = [1, 2].map((stream) => rowsOf(stream, rows, vocabulary, 12).map(nearestBfloat16));
      await inShape(shape, async () => {
        for (const other of [undefined, reference!]) {
          const measured = async (dtype: 'f32' | 'bf16', otherDtype: 'f32' | 'bf16') => {
            const own = await rowsOnDevice(logits!, 1, dtype);
            const compared = other && (await rowsOnDevice(other, 3, otherDtype));
            const scores = await scoreTargets(own.memory, compared?.memory, vocabulary, labels, shift);
            await nativeAddon().targetGradient(own.memory, compared?.memory, vocabulary, scores.target, weights);
            return { scores, gradients: await own.read() };
          };
          const { scores, gradients } = await measured('f32', 'f32');
          for (const [dtype, otherDtype] of [
            ['bf16', 'bf16'],
            ['bf16', 'f32'],
            ['f32', 'bf16'],
          ] as const) {
            const found = await measured(dtype, otherDtype);
            expect(found.scores).toEqual(scores);
            const wanted = dtype === 'bf16' ? gradients.map(nearestBfloat16) : gradients;
            expect(firstDifference(found.gradients, wanted)).toBeUndefined();
          }
        }
      });
    }
  });
});

test.each(shifts)('of any logits, masked ones and what is no number too, shifted by %f', async (shift) => {
  const logit = fc.oneof(
    { weight: 120, arbitrary: fc.float({ noNaN: true, min: -90, max: 90 }) },
    { weight: 20, arbitrary: fc.constantFrom(-Infinity, -Infinity, 1e4, -1e4, 0, -0) },
    { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(logit, logit), { minLength: 1, maxLength: 200 }),
      fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
      fc.nat(),
      async (pairs, skews, place) => {
        const [logits, reference] = [0, 1].map((side) => Float32Array.from(pairs, (pair) => pair[side]!));
        const labels = Int32Array.of(place % pairs.length);
        await expectTargets(logits!, undefined, pairs.length, shift, skews, labels);
        await expectTargets(logits!, reference!, pairs.length, shift, skews, labels);
      },
    ),
    { seed: 3, numRuns: 30 },
  );
});

test('no rows are no work, labels outside the vocabulary and rows in two places are refused', async () => {
  const none = await rowsOnDevice(new Float32Array(0), 0);
  const { target } = await scoreTargets(none.memory, undefined, 5, new Int32Array(0), -1);
  await nativeAddon().targetGradient(none.memory, undefined, 5, target, new Float32Array(0));
  const logits = hashed(1, 6);
  const device = await rowsOnDevice(logits, 0);
  const refusal = { code: 'SOUL_INVALID_ARGUMENT' };
  await expect(scoreTargets(device.memory, undefined, 3, Int32Array.of(0, 3), 0)).rejects.toMatchObject(refusal);
  await expect(scoreTargets(device.memory, logits, 3, new Int32Array(2), 0)).rejects.toMatchObject(refusal);
  expect(firstDifference(await device.read(), logits)).toBeUndefined();
});
