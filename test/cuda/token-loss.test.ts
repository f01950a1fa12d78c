import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { logSoftmax } from '../native/log-softmax.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape } from './launch-shapes.ts';
import { divergenceOfRows, firstDifference, rowShapes, rowsOnDevice, scoreRows } from './token-rows.ts';

function moments(logP: readonly number[]): { mean: number; variance: number } {
  const present = logP.filter((x) => x > -Infinity);
  const mean = present.reduce((sum, x) => sum + Math.exp(x) * x, 0);
  return { mean, variance: present.reduce((sum, x) => sum + Math.exp(x) * (x - mean) ** 2, 0) };
}

const rowsOf = (stream: number, rows: number, vocabulary: number, scale: number): Float32Array =>
  hashed(stream, rows * vocabulary).map((x) => x * scale);

const labelsOf = (rows: number, vocabulary: number): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);

/** Scores of rows that begin at every place within 16 bytes. */
async function score(logits: Float32Array, vocabulary: number, labels: Int32Array, skew = 0) {
  return scoreRows((await rowsOnDevice(logits, skew)).memory, vocabulary, labels);
}

/** Rows, vocabulary, the logits' range. */
const sizes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 3, 30],
  [4, 31, 1],
  [7, 33, 100],
  [40, 257, 1e4],
  [3, 4095, 5],
  [2, 7001, 12],
] as const;

/** Rows on which the running maximum moves late, often, by a lot or by next to nothing, or not at all. */
const courses: [string, (i: number, vocabulary: number) => number][] = [
  ['rising by little', (i) => i * 1e-4],
  ['rising by much', (i) => i * 0.05],
  ['falling', (i) => -i * 0.01],
  ['flat, far from 0', () => -700],
  ['a token nearly certain at the end', (i, vocabulary) => (i === vocabulary - 1 ? 40 : -(i % 7))],
  ['a token nearly certain in front', (i) => (i === 0 ? 40 : i % 7)],
  ['stretches of masked tokens', (i) => (i % 3000 < 2000 ? -Infinity : Math.sin(i))],
  ['differences beyond the smallest number', (i) => -(i % 200)],
];

const courseRow = (course: (i: number, vocabulary: number) => number, vocabulary: number): Float32Array =>
  Float32Array.from({ length: vocabulary }, (_, i) => course(i, vocabulary));

function expectScores(
  found: Awaited<ReturnType<typeof scoreRows>>,
  row: number,
  logits: Float32Array,
  label: number,
): void {
  const logP = logSoftmax(logits);
  const { mean, variance } = moments(logP);
  const exact = -logP[label]!;
  if (exact === Infinity) expect(found.nll[row]).toBe(Infinity);
  else expect(Math.abs(found.nll[row]! - exact)).toBeLessThan(2e-7 * (4 + exact));
  const logSumExp = logits[0]! === -Infinity ? undefined : logits[0]! - logP[0]!;
  if (logSumExp !== undefined)
    expect(Math.abs(found.logSumExp[row]! - logSumExp)).toBeLessThan(2e-7 * (4 + Math.abs(logSumExp)));
  expect(Math.abs(found.meanLogP[row]! - mean)).toBeLessThan(2e-7 * (4 - mean));
  expect(Math.abs(found.varianceLogP[row]! - variance)).toBeLessThan(2e-6 * variance + 1e-10);
  const largest = logits.reduce((a, b) => Math.max(a, b));
  expect(found.isArgmax[row]).toBe(logits.indexOf(largest) === label ? 1 : 0);
}

describe.each(rowShapes)('launched as %p', (shape) => {
  test.each(sizes)('scores of %i rows of %i logits within %f agree with float64', async (rows, vocabulary, scale) => {
    const logits = rowsOf(vocabulary, rows, vocabulary, scale);
    const labels = labelsOf(rows, vocabulary);
    for (const skew of [0, 1, 2, 3]) {
      const found = await inShape(shape, () => score(logits, vocabulary, labels, skew));
      for (let row = 0; row < rows; row++)
        expectScores(found, row, logits.subarray(row * vocabulary, (row + 1) * vocabulary), labels[row]!);
    }
  });

  test.each(courses)('scores of long rows agree with float64: %s', async (_, course) => {
    const vocabulary = 7001;
    const logits = courseRow(course, vocabulary);
    const label = vocabulary - 1;
    const largest = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
    const twice = new Float32Array(2 * vocabulary);
    twice.set(logits);
    twice.set(logits, vocabulary);
    const found = await inShape(shape, () => score(twice, vocabulary, Int32Array.of(label, largest), 3));
    expectScores(found, 0, logits, label);
    expectScores(found, 1, logits, largest);
  });

  test('gradients have the bits of the CPU, and their labels hold against float64', async () => {
    for (const [rows, vocabulary, scale] of sizes) {
      const logits = rowsOf(vocabulary, rows, vocabulary, scale);
      const labels = labelsOf(rows, vocabulary);
      const weights = hashed(9, rows);
      const { logSumExp } = await scoreRows(logits, vocabulary, labels);
      const wanted = logits.slice();
      await nativeAddon().tokenGradient(wanted, vocabulary, labels, weights, logSumExp);
      for (const skew of [0, 3]) {
        const device = await rowsOnDevice(logits, skew);
        await inShape(shape, () => nativeAddon().tokenGradient(device.memory, vocabulary, labels, weights, logSumExp));
        const found = await device.read();
        for (let row = 0; row < rows; row++) {
          const place = row * vocabulary + labels[row]!;
          const logP = logSoftmax(logits.subarray(row * vocabulary, (row + 1) * vocabulary));
          const others = logP.reduce((sum, x, i) => (i === labels[row] ? sum : sum + Math.exp(x)), 0);
          const exact = -weights[row]! * others;
          // The log-sum-exp is a float32.
          const relative = 1e-5 + 2 ** -23 * Math.abs(logSumExp[row]!);
          expect(Math.abs(found[place]! - exact)).toBeLessThan(relative * Math.abs(exact) + 1e-37);
          found[place] = wanted[place]!;
        }
        expect(firstDifference(found, wanted)).toBeUndefined();
      }
    }
  });

  test('divergences agree with float64, and their gradients have the bits of the CPU', async () => {
    for (const [rows, vocabulary, scale] of sizes) {
      const logits = rowsOf(vocabulary, rows, vocabulary, scale);
      const reference = rowsOf(vocabulary + 1, rows, vocabulary, scale / 2);
      const weights = hashed(9, rows);
      // Rows that lie alike within 16 bytes, and rows that do not.
      for (const [skew, referenceSkew] of [
        [1, 1],
        [0, 3],
      ] as const) {
        const device = await rowsOnDevice(logits, skew);
        const other = await rowsOnDevice(reference, referenceSkew);
        const { values, sums, referenceSums } = await inShape(shape, () =>
          divergenceOfRows(device.memory, other.memory, vocabulary, rows),
        );
        for (let row = 0; row < rows; row++) {
          const part = [row * vocabulary, (row + 1) * vocabulary] as const;
          const logQ = logSoftmax(logits.subarray(...part));
          const logP = logSoftmax(reference.subarray(...part));
          const exact = logP.reduce((sum, x, i) => sum + Math.exp(x) * (x - logQ[i]!), 0);
          expect(Math.abs(values[row]! - exact)).toBeLessThan(2e-6 * Math.max(1, exact));
        }
        const wanted = logits.slice();
        const arguments_ = [vocabulary, weights, sums, referenceSums] as const;
        await nativeAddon().divergenceGradient(wanted, reference, ...arguments_);
        await inShape(shape, () => nativeAddon().divergenceGradient(device.memory, other.memory, ...arguments_));
        expect(firstDifference(await device.read(), wanted)).toBeUndefined();
        expect(firstDifference(await other.read(), reference)).toBeUndefined();
      }
    }
  });

  test.each(courses)('divergences of long rows agree with float64: %s', async (_, course) => {
    const vocabulary = 7001;
    const reference = courseRow(course, vocabulary);
    const logits = reference.map((x, i) => (x === -Infinity ? 0 : 0.75 * x + Math.cos(i)));
    const logQ = logSoftmax(logits);
    const logP = logSoftmax(reference);
    const exact = logP.reduce((sum, x, i) => (x === -Infinity ? sum : sum + Math.exp(x) * (x - logQ[i]!)), 0);
    const [device, other] = [await rowsOnDevice(logits, 2), await rowsOnDevice(reference, 0)];
    const { values } = await inShape(shape, () => divergenceOfRows(device.memory, other.memory, vocabulary, 1));
    expect(Math.abs(values[0]! - exact)).toBeLessThan(4e-6 * Math.max(1, exact));
  });

  test('the same call gives the same bits', async () => {
    const [rows, vocabulary] = [3, 5001];
    const device = await rowsOnDevice(rowsOf(3, rows, vocabulary, 9), 1);
    const other = await rowsOnDevice(rowsOf(4, rows, vocabulary, 9), 1);
    const run = () =>
      inShape(shape, async () => ({
        ...(await scoreRows(device.memory, vocabulary, labelsOf(rows, vocabulary))),
        ...(await divergenceOfRows(device.memory, other.memory, vocabulary, rows)),
      }));
    expect(await run()).toEqual(await run());
  });
});

test('a vocabulary of a language model', async () => {
  const vocabulary = 49152;
  const logits = rowsOf(1, 1, vocabulary, 12);
  expectScores(await score(logits, vocabulary, Int32Array.of(777)), 0, logits, 777);
});

describe('a token that is nearly certain', () => {
  test('keeps the digits of its loss wherever it stands', async () => {
    const vocabulary = 3000;
    for (const place of [0, 999, vocabulary - 1]) {
      const logits = hashed(1, vocabulary);
      logits[place] = 18;
      const { nll } = await score(logits, vocabulary, Int32Array.of(place));
      const others = logits.reduce((sum, x, i) => (i === place ? sum : sum + Math.exp(x - 18)), 0);
      expect(Math.abs(nll[0]! / Math.log1p(others) - 1)).toBeLessThan(0.1);
    }
  });

  test('keeps those of its gradient', async () => {
    const logits = Float32Array.of(20, 20 - 15, 20 - 16);
    const logP = logSoftmax(logits);
    const device = await rowsOnDevice(logits, 0);
    const { logSumExp } = await scoreRows(device.memory, 3, Int32Array.of(0));
    await nativeAddon().tokenGradient(device.memory, 3, Int32Array.of(0), Float32Array.of(1), logSumExp);
    const others = Math.exp(logP[1]!) + Math.exp(logP[2]!);
    expect(Math.abs((await device.read())[0]! / -others - 1)).toBeLessThan(1e-5);
  });
});

describe('what is no ordinary logit', () => {
  test('the argmax is the first of the largest', async () => {
    const row = (places: number[]) => Float32Array.from({ length: 900 }, (_, i) => (places.includes(i) ? 3 : i % 3));
    const logits = Float32Array.of(...row([17, 800]), ...row([800, 17]), ...row([899]), ...row([0, 1, 2, 3]));
    const { isArgmax } = await score(logits, 900, Int32Array.of(17, 800, 899, 1), 2);
    expect([...isArgmax]).toEqual([1, 0, 1, 0]);
  });

  test('masked tokens take no part, and NaN shows', async () => {
    const masked = Float32Array.of(-Infinity, 1, 2, -Infinity);
    const logP = logSoftmax([1, 2]);
    const { nll, meanLogP, varianceLogP } = await score(masked, 4, Int32Array.of(2));
    expect(nll[0]).toBeCloseTo(-logP[1]!, 6);
    expect(meanLogP[0]).toBeCloseTo(moments(logP).mean, 6);
    expect(varianceLogP[0]).toBeCloseTo(moments(logP).variance, 6);
    expect((await score(masked, 4, Int32Array.of(0))).nll[0]).toBe(Infinity);
    for (const bad of [Number.NaN, Infinity]) {
      for (const place of [0, 1500, 2999]) {
        const logits = hashed(2, 3000);
        logits[place] = bad;
        const { logSumExp, nll, meanLogP, varianceLogP } = await score(logits, 3000, Int32Array.of(700));
        for (const figures of [logSumExp, nll, meanLogP, varianceLogP]) expect(figures[0]).toBeNaN();
      }
    }
  });

  test('a row that is masked as a whole has no figures', async () => {
    for (const vocabulary of [3, 2500]) {
      const logits = new Float32Array(vocabulary).fill(-Infinity);
      const { logSumExp, meanLogP, isArgmax } = await score(logits, vocabulary, Int32Array.of(0));
      expect([logSumExp[0], meanLogP[0], isArgmax[0]]).toEqual([Number.NaN, Number.NaN, 1]);
    }
  });

  test('a divergence of equal rows is 0, of a ruled out token infinite, of one that the reference rules out nothing', async () => {
    const measure = async (logits: Float32Array, reference: Float32Array, vocabulary: number) => {
      const [own, other] = [await rowsOnDevice(logits, 0), await rowsOnDevice(reference, 1)];
      return (await divergenceOfRows(own.memory, other.memory, vocabulary, logits.length / vocabulary)).values;
    };
    const rows = rowsOf(4, 20, 333, 15);
    expect((await measure(rows, rows, 333)).every((x) => x >= 0 && x < 1e-5)).toBe(true);
    const [shut, open] = [Float32Array.of(0, -Infinity), Float32Array.of(0, 0)];
    expect((await measure(shut, open, 2))[0]).toBe(Infinity);
    expect((await measure(open, shut, 2))[0]).toBeCloseTo(Math.LN2, 6);
  });

  test('of any logits the figures are near the CPU, and gradients have its bits', async () => {
    const logit = fc.oneof(
      { weight: 6, arbitrary: fc.float({ noNaN: true, min: -90, max: 90 }) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e4, -1e4, 0) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(logit, { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 0, max: 3 }),
        fc.nat(),
        async (row, skew, place) => {
          const logits = Float32Array.from(row);
          const labels = Int32Array.of(place % row.length);
          const device = await rowsOnDevice(logits, skew);
          const found = await scoreRows(device.memory, row.length, labels);
          const wanted = await scoreRows(logits, row.length, labels);
          expect(found.isArgmax).toEqual(wanted.isArgmax);
          for (const name of ['logSumExp', 'nll', 'meanLogP', 'varianceLogP'] as const) {
            const [a, b] = [found[name][0]!, wanted[name][0]!];
            if (Number.isFinite(b)) expect(Math.abs(a - b)).toBeLessThan(4e-6 * (4 + Math.abs(b)));
            else expect(a).toBe(b);
          }
          const settings = [row.length, labels, Float32Array.of(-0.7), wanted.logSumExp] as const;
          await nativeAddon().tokenGradient(logits, ...settings);
          await nativeAddon().tokenGradient(device.memory, ...settings);
          const gradients = await device.read();
          const label = labels[0]!;
          if (Number.isFinite(logits[label]!))
            expect(Math.abs(gradients[label]! - logits[label]!)).toBeLessThanOrEqual(1e-5 * Math.abs(logits[label]!));
          else expect(gradients[label]).toBe(logits[label]);
          gradients[label] = logits[label]!;
          expect(firstDifference(gradients, logits)).toBeUndefined();
        },
      ),
      { seed: 5, numRuns: 60 },
    );
  });
});

describe('what is asked for', () => {
  test('any figures alone are those of all together', async () => {
    const vocabulary = 700;
    const labels = labelsOf(4, vocabulary);
    const { memory } = await rowsOnDevice(rowsOf(6, 4, vocabulary, 5), 1);
    const all = await scoreRows(memory, vocabulary, labels);
    for (const name of ['logSumExp', 'nll', 'isArgmax', 'meanLogP', 'varianceLogP'] as const) {
      const figures = name === 'isArgmax' ? new Uint8Array(4) : new Float32Array(4);
      await nativeAddon().scoreTokens(memory, vocabulary, { labels, [name]: figures });
      expect(figures).toEqual(all[name]);
    }
    const logSumExp = new Float32Array(4);
    await nativeAddon().scoreTokens(memory, vocabulary, { logSumExp });
    expect(logSumExp).toEqual(all.logSumExp);
    await nativeAddon().scoreTokens(memory, vocabulary, {});
  });

  test('no rows are no work', async () => {
    const none = new Float32Array(0);
    const [device, other] = [await rowsOnDevice(none, 0), await rowsOnDevice(none, 1)];
    await scoreRows(device.memory, 5, new Int32Array(0));
    await divergenceOfRows(device.memory, other.memory, 5, 0);
    await nativeAddon().tokenGradient(device.memory, 5, new Int32Array(0), none, none);
    await nativeAddon().divergenceGradient(device.memory, other.memory, 5, none, none, none);
    expect(await device.read()).toEqual(none);
  });

  test('labels outside the vocabulary are refused before anything is written', async () => {
    const logits = hashed(1, 6);
    const device = await rowsOnDevice(logits, 0);
    const refusal = { code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining('labels') };
    for (const labels of [Int32Array.of(0, 3), Int32Array.of(-1, 0)]) {
      const nll = Float32Array.of(8, 9);
      await expect(nativeAddon().scoreTokens(device.memory, 3, { labels, nll })).rejects.toMatchObject(refusal);
      expect([...nll]).toEqual([8, 9]);
      const numbers = new Float32Array(2);
      await expect(nativeAddon().tokenGradient(device.memory, 3, labels, numbers, numbers)).rejects.toMatchObject(
        refusal,
      );
    }
    expect(await device.read()).toEqual(logits);
  });

  test('rows in two places are refused', async () => {
    const logits = hashed(1, 6);
    const device = await rowsOnDevice(logits, 0);
    const refusal = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' });
    expect(() => divergenceOfRows(device.memory, logits, 3, 2)).rejects.toEqual(refusal);
    const numbers = new Float32Array(2);
    expect(() => nativeAddon().divergenceGradient(logits, device.memory, 3, numbers, numbers, numbers)).toThrow(
      refusal,
    );
  });
});
