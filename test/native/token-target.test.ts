import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { bfloat16Bits, bfloat16Values, nearestBfloat16 } from './bfloat16.ts';
import { underEveryConfiguration } from './configurations.ts';
import { exactTarget, gradientBound } from './exact-target.ts';
import { labelsOf, rowsOf, scoreTargets } from './target-rows.ts';

/** Holds values and gradients of rows against float64. */
async function expectTargets(
  logits: Float32Array,
  reference: Float32Array | undefined,
  vocabulary: number,
  labels: Int32Array,
  shift: number,
): Promise<void> {
  const { crossEntropy, target } = await scoreTargets(logits, reference, vocabulary, labels, shift);
  const weights = hashed(9, labels.length);
  const gradients = logits.slice();
  await nativeAddon().targetGradient(gradients, reference, vocabulary, target, weights);
  for (const [row, label] of labels.entries()) {
    const part = [row * vocabulary, (row + 1) * vocabulary] as const;
    const own = logits.subarray(...part);
    const exact = exactTarget(own, reference?.subarray(...part), label, shift);
    const found = crossEntropy[row]!;
    if (!Number.isFinite(Math.fround(exact.crossEntropy))) {
      expect(found).toBe(Math.fround(exact.crossEntropy));
      continue;
    }
    expect(Math.abs(found - exact.crossEntropy)).toBeLessThanOrEqual(4e-6 * Math.max(1, exact.crossEntropy));
    const sums = [target.logSumExp[row]!, target.targetLogSumExp[row]!];
    for (let i = 0; i < vocabulary; i++) {
      const error = Math.abs(gradients[part[0] + i]! - weights[row]! * exact.gradient[i]!);
      if (!(error <= gradientBound(exact, i, reference === undefined, sums)))
        throw new Error(`row ${row}, logit ${i}, label ${label}: ${error} from ${exact.gradient[i]}`);
    }
  }
}

const shapes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 15, 30],
  [4, 17, 100],
  [3, 1023, 5],
  [3, 1024, 2],
  [3, 1025, 20],
  [1, 49152, 4],
] as const;

const shifts = [-10, -1e-3, 0, 2.5, 120, Number.NEGATIVE_INFINITY];

describe.each(shifts)('a label shifted by %f', (shift) => {
  test.each(shapes)('%i rows of %i logits within %f agree with float64', async (rows, vocabulary, scale) => {
    const logits = rowsOf(vocabulary, rows, vocabulary, scale);
    const labels = labelsOf(rows, vocabulary);
    await expectTargets(logits, undefined, vocabulary, labels, shift);
    await expectTargets(logits, rowsOf(vocabulary + 1, rows, vocabulary, scale / 2), vocabulary, labels, shift);
  });

  test('in front of a label of any certainty, at any place', async () => {
    for (const vocabulary of [6, 2500]) {
      for (const label of [0, vocabulary >> 1, vocabulary - 1]) {
        for (const logit of [-1e4, -60, -8, 0, 18, 90, 200, 1e4]) {
          const logits = rowsOf(3, 1, vocabulary, 4);
          logits[label] = logit;
          await expectTargets(logits, undefined, vocabulary, Int32Array.of(label), shift);
          const other = rowsOf(4, 1, vocabulary, 4);
          await expectTargets(logits, other, vocabulary, Int32Array.of(label), shift);
          await expectTargets(other, logits, vocabulary, Int32Array.of(label), shift);
        }
      }
    }
  });

  test('of any logits, masked ones and what is no number too', async () => {
    const logit = fc.oneof(
      { weight: 120, arbitrary: fc.float({ noNaN: true, min: -90, max: 90 }) },
      { weight: 20, arbitrary: fc.constantFrom(-Infinity, -Infinity, 1e4, -1e4, 0, -0) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(logit, logit), { minLength: 1, maxLength: 60 }),
        fc.nat(),
        async (pairs, place) => {
          const [logits, reference] = [0, 1].map((side) => Float32Array.from(pairs, (pair) => pair[side]!));
          const label = Int32Array.of(place % pairs.length);
          await expectTargets(logits!, undefined, pairs.length, label, shift);
          await expectTargets(logits!, reference!, pairs.length, label, shift);
        },
      ),
      { seed: 3, numRuns: 150 },
    );
  });

  test('of bfloat16 losses are those of the same numbers in float32, and gradients rounded', async () => {
    const [rows, vocabulary] = [4, 1030];
    const labels = labelsOf(rows, vocabulary);
    const weights = hashed(9, rows);
    const [logits, reference] = [1, 2].map((stream) => rowsOf(stream, rows, vocabulary, 12).map(nearestBfloat16));
    const narrowly = (wide: Float32Array | undefined) => wide && bfloat16Bits(wide);
    for (const other of [undefined, reference!]) {
      const wide = await scoreTargets(logits!, other, vocabulary, labels, shift);
      const narrow = await scoreTargets(bfloat16Bits(logits!), narrowly(other), vocabulary, labels, shift);
      expect(narrow).toEqual(wide);
      const [found, wanted] = [bfloat16Bits(logits!), logits!.slice()];
      await nativeAddon().targetGradient(found, narrowly(other), vocabulary, wide.target, weights);
      await nativeAddon().targetGradient(wanted, other, vocabulary, wide.target, weights);
      expect(bfloat16Values(found)).toEqual(wanted.map(nearestBfloat16));
    }
  });

  test('the same bits by every instruction set and however rows are split', async () => {
    const [rows, vocabulary] = [64, 1100];
    const logits = rowsOf(1, rows, vocabulary, 30);
    logits.fill(-Infinity, vocabulary, vocabulary + 9);
    const labels = labelsOf(rows, vocabulary);
    for (const reference of [undefined, rowsOf(2, rows, vocabulary, 30)]) {
      const results = await underEveryConfiguration(async () => {
        const { crossEntropy, target } = await scoreTargets(logits, reference, vocabulary, labels, shift);
        const gradients = logits.slice();
        await nativeAddon().targetGradient(gradients, reference, vocabulary, target, hashed(9, rows));
        const { logSumExp, targetLogSumExp, labelProbability } = target;
        const all = [crossEntropy, logSumExp, targetLogSumExp, labelProbability, gradients];
        return Buffer.concat(all.map((part) => Buffer.from(part.buffer)));
      });
      const [first, ...others] = results.values();
      for (const other of others) expect(other.equals(first!)).toBe(true);
    }
  });
});

test('a label that is not shifted gives the gradient of the divergence, and its value with the entropy', async () => {
  const [rows, vocabulary] = [5, 1500];
  const [logits, reference] = [rowsOf(1, rows, vocabulary, 8), rowsOf(2, rows, vocabulary, 8)];
  const weights = hashed(9, rows);
  const labels = labelsOf(rows, vocabulary);
  const [divergence, sums, referenceSums] = [0, 1, 2].map(() => new Float32Array(rows));
  await nativeAddon().scoreDivergence(logits, reference, vocabulary, divergence!, sums!, referenceSums!);
  const { crossEntropy, target } = await scoreTargets(logits, reference, vocabulary, labels, 0);
  const { crossEntropy: entropy } = await scoreTargets(reference, undefined, vocabulary, labels, 0);
  expect([target.logSumExp, target.targetLogSumExp]).toEqual([sums, referenceSums]);
  for (let row = 0; row < rows; row++) expect(crossEntropy[row]).toBeCloseTo(divergence![row]! + entropy[row]!, 4.5);
  const [found, wanted] = [logits.slice(), logits.slice()];
  await nativeAddon().targetGradient(found, reference, vocabulary, target, weights);
  await nativeAddon().divergenceGradient(wanted, reference, vocabulary, weights, sums!, referenceSums!);
  expect(found).toEqual(wanted);
});

test('of one token there is nothing to learn, and without it no target', async () => {
  const one = Float32Array.of(4);
  const label = Int32Array.of(0);
  expect((await scoreTargets(one, undefined, 1, label, -10)).crossEntropy[0]).toBe(0);
  expect((await scoreTargets(one, undefined, 1, label, -Infinity)).crossEntropy[0]).toBeNaN();
  expect((await scoreTargets(one, one.slice(), 1, label, -Infinity)).crossEntropy[0]).toBeNaN();
});

test('labels outside the vocabulary, shifts that are none and rows of another number are refused', async () => {
  const logits = new Float32Array(6);
  const labels = new Int32Array(2);
  for (const bad of [Int32Array.of(0, 3), Int32Array.of(-1, 0)])
    await expect(scoreTargets(logits, undefined, 3, bad, 0)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  const refusal = (name: string) =>
    expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining(name) });
  for (const shift of [Number.NaN, Infinity, 1e39, -1e39])
    await expect(scoreTargets(logits, undefined, 3, labels, shift)).rejects.toEqual(refusal('shift'));
  await expect(scoreTargets(logits, new Float32Array(3), 3, labels, 0)).rejects.toEqual(refusal('reference'));
  await expect(scoreTargets(logits, undefined, 3, new Int32Array(3), 0)).rejects.toEqual(refusal('labels'));
});
