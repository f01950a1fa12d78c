import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { chiSquareZ } from './chi-square.ts';

/** float64 log-probabilities of one row. */
function logSoftmax(logits: ArrayLike<number>): number[] {
  const row = Array.from(logits);
  const maximum = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x - maximum), 0));
  return row.map((x) => x - maximum - logSum);
}

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
  [3, 1025, 20],
  [2, 32003, 12],
] as const;

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
      expect(found.isArgmax[row]).toBe(own.indexOf(Math.max(...own)) === label ? 1 : 0);
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

describe('sampled labels', () => {
  async function sample(logits: Float32Array, vocabulary: number, seed: bigint, firstRow = 0n): Promise<Int32Array> {
    const sampledLabels = new Int32Array(logits.length / vocabulary);
    await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: seed, firstRow });
    return sampledLabels;
  }

  test.each([3, 12, 40])('follow softmax(logits) over %i tokens', async (vocabulary) => {
    const rows = 40_000;
    const row = rowsOf(77, 1, vocabulary, 2);
    const logits = new Float32Array(rows * vocabulary);
    for (let i = 0; i < rows; i++) logits.set(row, i * vocabulary);
    for (const seed of [1n, 2n ** 64n - 1n]) {
      const counts = new Float64Array(vocabulary);
      for (const label of await sample(logits, vocabulary, seed)) counts[label]! += 1;
      const expected = logSoftmax(row).map((x) => rows * Math.exp(x));
      expect(Math.abs(chiSquareZ(counts, expected))).toBeLessThan(4);
    }
  });

  test('rare tokens come as often as they should', async () => {
    const vocabulary = 4;
    const rows = 300_000;
    const logits = new Float32Array(rows * vocabulary);
    const rare = Math.log(1e-3);
    for (let i = 0; i < rows; i++) logits.set([0, rare, rare, rare], i * vocabulary);
    const counts = new Float64Array(vocabulary);
    for (const label of await sample(logits, vocabulary, 5n)) counts[label]! += 1;
    const expected = [1, 1e-3, 1e-3, 1e-3].map((p) => (rows * p) / 1.003);
    expect(Math.abs(chiSquareZ(counts, expected))).toBeLessThan(4);
  });

  test('are a function of the seed and the row, and are scored as labels', async () => {
    const vocabulary = 5000;
    const logits = rowsOf(8, 6, vocabulary, 3);
    const all = await sample(logits, vocabulary, 42n);
    expect(await sample(logits.slice(2 * vocabulary), vocabulary, 42n, 2n)).toEqual(all.slice(2));
    expect(await sample(logits, vocabulary, 43n)).not.toEqual(all);
    const nll = new Float32Array(6);
    const sampledLabels = new Int32Array(6);
    await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: 42n, nll });
    expect(nll).toEqual((await score(logits, vocabulary, all)).nll);
  });

  test('are tokens of the vocabulary whatever the logits', async () => {
    const special = fc.oneof(fc.float(), fc.constantFrom(Number.NaN, Infinity, -Infinity, 0));
    await fc.assert(
      fc.asyncProperty(
        fc.array(special, { minLength: 1, maxLength: 40 }),
        fc.bigInt(0n, 2n ** 64n - 1n),
        async (row, seed) => {
          const [label] = await sample(Float32Array.from(row), row.length, seed);
          expect(label).toBeGreaterThanOrEqual(0);
          expect(label).toBeLessThan(row.length);
          const open = row.some((x) => x > -Infinity && x < Infinity);
          if (open && row.every((x) => x < Infinity)) expect(row[label!]).not.toBe(-Infinity);
        },
      ),
      { seed: 2 },
    );
  });

  test('labels outside the vocabulary are refused', async () => {
    const logits = new Float32Array(6);
    for (const labels of [Int32Array.of(0, 3), Int32Array.of(-1, 0)]) {
      await expect(nativeAddon().scoreTokens(logits, 3, { labels })).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
      });
    }
  });
});
