import { describe, expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { underEveryConfiguration } from './configurations.ts';
import { logSoftmax } from './log-softmax.ts';

function moments(logP: readonly number[]): { mean: number; variance: number } {
  const present = logP.filter((x) => x > -Infinity);
  const mean = present.reduce((sum, x) => sum + Math.exp(x) * x, 0);
  return { mean, variance: present.reduce((sum, x) => sum + Math.exp(x) * (x - mean) ** 2, 0) };
}

async function score(logits: Float32Array, vocabulary: number, labels: Int32Array) {
  const rows = logits.length / vocabulary;
  const scores = {
    labels,
    logSumExp: new Float32Array(rows),
    nll: new Float32Array(rows),
    isArgmax: new Uint8Array(rows),
    meanLogP: new Float32Array(rows),
    varianceLogP: new Float32Array(rows),
  };
  await nativeAddon().scoreTokens(logits, vocabulary, scores);
  return scores;
}

async function divergence(logits: Float32Array, reference: Float32Array, vocabulary: number) {
  const rows = logits.length / vocabulary;
  const [values, sums, referenceSums] = [0, 1, 2].map(() => new Float32Array(rows)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  await nativeAddon().scoreDivergence(logits, reference, vocabulary, values, sums, referenceSums);
  return { values, sums, referenceSums };
}

function rowsOf(stream: number, rows: number, vocabulary: number, scale: number): Float32Array {
  return hashed(stream, rows * vocabulary).map((x) => x * scale);
}

function labelsOf(rows: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);
}

const shapes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 15, 30],
  [4, 16, 1],
  [4, 17, 100],
  [3, 1023, 5],
  [3, 1024, 2],
  [3, 1025, 20],
  [2, 32003, 12],
  [2, 49152, 4],
  [1, 151936, 60],
] as const;

/** Rows on which the running maximum moves late, often, by a lot or by next to nothing, or not at all. */
const courses: [string, (i: number, vocabulary: number) => number][] = [
  ['rising by little', (i) => i * 1e-4],
  ['rising by much', (i) => i * 0.05],
  ['falling', (i) => -i * 0.01],
  ['flat, far from 0', () => -700],
  ['a token nearly certain at the end', (i, vocabulary) => (i === vocabulary - 1 ? 40 : -(i % 7))],
  ['a token nearly certain in front', (i) => (i === 0 ? 40 : i % 7)],
  ['blocks of masked tokens', (i) => (i % 3000 < 2000 ? -Infinity : Math.sin(i))],
  ['differences beyond the smallest number', (i) => -(i % 200)],
];

describe('scores', () => {
  test.each(shapes)('%i rows of %i logits within %f agree with float64', async (rows, vocabulary, scale) => {
    const logits = rowsOf(vocabulary, rows, vocabulary, scale);
    const labels = labelsOf(rows, vocabulary);
    const found = await score(logits, vocabulary, labels);
    for (let row = 0; row < rows; row++) {
      const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
      const logP = logSoftmax(own);
      const { mean, variance } = moments(logP);
      const label = labels[row]!;
      expect(found.nll[row]).toBeCloseTo(-logP[label]!, 4.5);
      expect(found.logSumExp[row]).toBeCloseTo(own[label]! - logP[label]!, 4.5);
      expect(found.meanLogP[row]).toBeCloseTo(mean, 4.5);
      expect(Math.abs(found.varianceLogP[row]! - variance)).toBeLessThan(1e-5 * Math.max(1, variance));
      expect(found.isArgmax[row]).toBe(own.indexOf(own.reduce((a, b) => Math.max(a, b))) === label ? 1 : 0);
    }
  });

  test.each(courses)('of rows in several blocks agree with float64: %s', async (_, course) => {
    const vocabulary = 7001;
    const logits = Float32Array.from({ length: vocabulary }, (_, i) => course(i, vocabulary));
    const logP = logSoftmax(logits);
    const { mean, variance } = moments(logP);
    const largest = logits.reduce((a, b) => Math.max(a, b));
    for (const label of [0, 2500, vocabulary - 1]) {
      const found = await score(logits, vocabulary, Int32Array.of(label));
      if (logits[label] === -Infinity) expect(found.nll[0]).toBe(Infinity);
      else expect(Math.abs(found.nll[0]! + logP[label]!)).toBeLessThan(2e-7 * (4 - logP[label]!));
      expect(found.isArgmax[0]).toBe(logits.indexOf(largest) === label ? 1 : 0);
      expect(found.meanLogP[0]).toBeCloseTo(mean, 5);
      expect(Math.abs(found.varianceLogP[0]! - variance)).toBeLessThan(2e-6 * variance + 1e-10);
    }
  });

  test('the loss of a token that is nearly certain keeps its digits wherever it stands', async () => {
    for (const vocabulary of [1000, 3000]) {
      for (const place of [0, 999, vocabulary - 1]) {
        const logits = hashed(1, vocabulary);
        logits[place] = 18;
        const { nll } = await score(logits, vocabulary, Int32Array.of(place));
        const others = logits.reduce((sum, x, i) => (i === place ? sum : sum + Math.exp(x - 18)), 0);
        expect(Math.abs(nll[0]! / Math.log1p(others) - 1)).toBeLessThan(0.1);
      }
    }
  });

  test('the loss of a token that is nearly certain keeps its digits', async () => {
    const logits = Float32Array.of(30, 30 - 12, 30 - 13, 30 - 14);
    const { nll } = await score(logits, 4, Int32Array.of(0));
    const exact = -logSoftmax(logits)[0]!;
    expect(Math.abs(nll[0]! / exact - 1)).toBeLessThan(1e-2);
    expect(exact).toBeLessThan(1e-5);
  });

  test('the argmax is the first of the largest', async () => {
    const logits = Float32Array.of(1, 3, 3, 2, 1, 3, 3, 2, 1, 3, 3, 2);
    expect([...(await score(logits, 4, Int32Array.of(1, 2, 0))).isArgmax]).toEqual([1, 0, 0]);
  });

  test('masked tokens take no part, and NaN shows', async () => {
    const masked = Float32Array.of(-Infinity, 1, 2, -Infinity);
    const { nll, meanLogP, varianceLogP } = await score(masked, 4, Int32Array.of(2));
    const logP = logSoftmax([1, 2]);
    expect(nll[0]).toBeCloseTo(-logP[1]!, 6);
    expect(meanLogP[0]).toBeCloseTo(moments(logP).mean, 6);
    expect(varianceLogP[0]).toBeCloseTo(moments(logP).variance, 6);
    expect((await score(masked, 4, Int32Array.of(0))).nll[0]).toBe(Infinity);
    for (const bad of [Number.NaN, Infinity]) {
      expect((await score(Float32Array.of(0, bad, 1), 3, Int32Array.of(0))).logSumExp[0]).toBeNaN();
    }
  });

  test('a row that is masked as a whole has no figures', async () => {
    for (const vocabulary of [3, 2500]) {
      const logits = new Float32Array(vocabulary).fill(-Infinity);
      const { logSumExp, meanLogP } = await score(logits, vocabulary, Int32Array.of(0));
      expect(logSumExp[0]).toBeNaN();
      expect(meanLogP[0]).toBeNaN();
    }
  });

  test('NaN shows in whichever block it stands', async () => {
    for (const place of [0, 1024, 2999]) {
      const logits = hashed(2, 3000);
      logits[place] = Number.NaN;
      const { logSumExp, nll, varianceLogP } = await score(logits, 3000, Int32Array.of(1500));
      for (const figures of [logSumExp, nll, varianceLogP]) expect(figures[0]).toBeNaN();
    }
  });

  test('labels outside the vocabulary are refused', async () => {
    const logits = new Float32Array(6);
    for (const labels of [Int32Array.of(0, 3), Int32Array.of(-1, 0)]) {
      await expect(nativeAddon().scoreTokens(logits, 3, { labels })).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
      });
    }
  });

  test('rows do not depend on how they are split', async () => {
    const vocabulary = 1000;
    const logits = rowsOf(3, 6, vocabulary, 9);
    const labels = labelsOf(6, vocabulary);
    const whole = await score(logits, vocabulary, labels);
    for (let row = 0; row < 6; row++) {
      const own = logits.slice(row * vocabulary, (row + 1) * vocabulary);
      const alone = await score(own, vocabulary, labels.slice(row, row + 1));
      for (const name of ['nll', 'logSumExp', 'meanLogP', 'varianceLogP'] as const) {
        expect(alone[name][0]).toBe(whole[name][row]);
      }
    }
  });
});

describe('gradients', () => {
  test.each(shapes)('%i rows of %i logits within %f agree with float64', async (rows, vocabulary, scale) => {
    const logits = rowsOf(vocabulary, rows, vocabulary, scale);
    const labels = labelsOf(rows, vocabulary);
    const weights = hashed(9, rows);
    const { logSumExp } = await score(logits, vocabulary, labels);
    const gradients = logits.slice();
    await nativeAddon().tokenGradient(gradients, vocabulary, labels, weights, logSumExp);
    for (let row = 0; row < rows; row++) {
      const logP = logSoftmax(logits.subarray(row * vocabulary, (row + 1) * vocabulary));
      const label = labels[row]!;
      const others = logP.reduce((sum, x, i) => (i === label ? sum : sum + Math.exp(x)), 0);
      for (let i = 0; i < vocabulary; i++) {
        const exact = weights[row]! * (i === label ? -others : Math.exp(logP[i]!));
        const error = Math.abs(gradients[row * vocabulary + i]! - exact);
        if (error > 1e-5 * Math.abs(exact) + 1e-37) throw new Error(`row ${row}, logit ${i}: ${error} from ${exact}`);
      }
    }
  });

  test('masked tokens get none, and probabilities below the smallest normal number keep their place', async () => {
    const logits = Float32Array.from({ length: 1500 }, (_, i) => (i % 3 === 0 ? -Infinity : -(i % 120)));
    const logP = logSoftmax(logits);
    const { logSumExp } = await score(logits, 1500, Int32Array.of(1));
    await nativeAddon().tokenGradient(logits, 1500, Int32Array.of(1), Float32Array.of(1), logSumExp);
    for (let i = 0; i < 1500; i++) {
      const exact = i === 1 ? Math.exp(logP[1]!) - 1 : Math.exp(logP[i]!);
      expect(Math.abs(logits[i]! - exact)).toBeLessThanOrEqual(2e-5 * Math.abs(exact) + 2 ** -149);
    }
  });

  test('the entry of a nearly certain label keeps its digits', async () => {
    const logits = Float32Array.of(20, 20 - 15, 20 - 16);
    const { logSumExp } = await score(logits, 3, Int32Array.of(0));
    const others = Math.exp(logSoftmax(logits)[1]!) + Math.exp(logSoftmax(logits)[2]!);
    const gradients = logits.slice();
    await nativeAddon().tokenGradient(gradients, 3, Int32Array.of(0), Float32Array.of(1), logSumExp);
    expect(Math.abs(gradients[0]! / -others - 1)).toBeLessThan(1e-5);
  });
});

describe('divergence', () => {
  test.each(shapes)('%i rows of %i logits within %f agree with float64', async (rows, vocabulary, scale) => {
    const logits = rowsOf(vocabulary, rows, vocabulary, scale);
    const reference = rowsOf(vocabulary + 1, rows, vocabulary, scale / 2);
    const weights = hashed(9, rows);
    const { values, sums, referenceSums } = await divergence(logits, reference, vocabulary);
    const gradients = logits.slice();
    await nativeAddon().divergenceGradient(gradients, reference, vocabulary, weights, sums, referenceSums);
    for (let row = 0; row < rows; row++) {
      const part = [row * vocabulary, (row + 1) * vocabulary] as const;
      const logQ = logSoftmax(logits.subarray(...part));
      const logP = logSoftmax(reference.subarray(...part));
      const exact = logP.reduce((sum, x, i) => sum + Math.exp(x) * (x - logQ[i]!), 0);
      expect(Math.abs(values[row]! - exact)).toBeLessThan(2e-6 * Math.max(1, scale, exact));
      for (let i = 0; i < vocabulary; i++) {
        const [p, q] = [Math.exp(logP[i]!), Math.exp(logQ[i]!)];
        const error = Math.abs(gradients[row * vocabulary + i]! - weights[row]! * (q - p));
        if (error > 1e-5 * Math.max(p, q)) throw new Error(`row ${row}, logit ${i}: ${error}`);
      }
    }
  });

  test.each(courses)('of rows in several blocks agrees with float64: %s', async (_, course) => {
    const vocabulary = 7001;
    const reference = Float32Array.from({ length: vocabulary }, (_, i) => course(i, vocabulary));
    const logits = reference.map((x, i) => (x === -Infinity ? 0 : 0.75 * x + Math.cos(i)));
    const logQ = logSoftmax(logits);
    const logP = logSoftmax(reference);
    const { values } = await divergence(logits, reference, vocabulary);
    const exact = logP.reduce((sum, x, i) => (x === -Infinity ? sum : sum + Math.exp(x) * (x - logQ[i]!)), 0);
    expect(Math.abs(values[0]! - exact)).toBeLessThan(4e-6 * Math.max(1, exact));
  });

  test('of equal rows is 0, never below', async () => {
    const logits = rowsOf(4, 20, 333, 15);
    const { values } = await divergence(logits, logits.slice(), 333);
    expect([...values].every((x) => x >= 0 && x < 1e-5)).toBe(true);
  });

  test('of a token the model rules out is infinite, of one the reference rules out nothing', async () => {
    const open = Float32Array.of(0, 0);
    const shut = Float32Array.of(0, -Infinity);
    expect((await divergence(shut, open, 2)).values[0]).toBe(Infinity);
    expect((await divergence(open, shut, 2)).values[0]).toBeCloseTo(Math.LN2, 6);
  });
});

test('the same bits by every instruction set, at every alignment', async () => {
  for (const [vocabulary, scale] of [
    [17, 200],
    [1023, 5],
    [4099, 0.5],
    [2050, 90],
  ] as const) {
    const rows = 64;
    const original = rowsOf(vocabulary, rows, vocabulary, scale);
    original.fill(-Infinity, vocabulary, vocabulary + 9);
    const reference = rowsOf(5, rows, vocabulary, scale);
    const labels = labelsOf(rows, vocabulary);
    const weights = hashed(9, rows);
    const runs: (readonly Float32Array[])[] = [];
    for (const shift of [0, 1, 3]) {
      const results = await underEveryConfiguration(async () => {
        const place = () => {
          const logits = new Float32Array(original.length + shift).subarray(shift);
          logits.set(original);
          return logits;
        };
        const [first, second] = [place(), place()];
        const scores = await score(first, vocabulary, labels);
        await nativeAddon().tokenGradient(first, vocabulary, labels, weights, scores.logSumExp);
        const { values, sums, referenceSums } = await divergence(second, reference, vocabulary);
        await nativeAddon().divergenceGradient(second, reference, vocabulary, weights, sums, referenceSums);
        const { logSumExp, nll, meanLogP, varianceLogP } = scores;
        return [logSumExp, nll, meanLogP, varianceLogP, values, sums, referenceSums, first, second];
      });
      runs.push(...results.values());
    }
    const bytes = runs.map((run) => Buffer.concat(run.map((part) => Buffer.from(part.slice().buffer))));
    for (const run of bytes) expect(Buffer.compare(run, bytes[0]!)).toBe(0);
  }
});
