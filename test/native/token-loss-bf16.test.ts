import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type NativeMemory, nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { bfloat16Bits, bfloat16Values, nearestBfloat16 } from './bfloat16.ts';
import { underEveryConfiguration } from './configurations.ts';
import { logSoftmax } from './log-softmax.ts';

/** Of bfloat16 every loss is that of the same numbers in float32, which token-loss.test.ts holds against float64. */

const beside = 5;
const mark = 0x4242;

/** A copy of bits that begins `shift` elements after its memory does, with other numbers around it. */
function placed(bits: Uint16Array, shift: number): { bits: Uint16Array; untouched(): boolean } {
  const whole = new Uint16Array(shift + bits.length + beside).fill(mark);
  whole.set(bits, shift);
  return {
    bits: whole.subarray(shift, shift + bits.length),
    untouched: () => [...whole.subarray(0, shift), ...whole.subarray(shift + bits.length)].every((x) => x === mark),
  };
}

/** Every figure of given labels, and labels that are drawn. */
async function scored(logits: NativeMemory, vocabulary: number, labels: Int32Array) {
  const rows = labels.length;
  const figures = () => ({
    logSumExp: new Float32Array(rows),
    nll: new Float32Array(rows),
    isArgmax: new Uint8Array(rows),
    meanLogP: new Float32Array(rows),
    varianceLogP: new Float32Array(rows),
  });
  const [given, drawn] = [figures(), figures()];
  const sampledLabels = new Int32Array(rows);
  await nativeAddon().scoreTokens(logits, vocabulary, { labels, ...given });
  await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: 9n, firstRow: 3n, ...drawn });
  return { given, drawn, sampledLabels };
}

async function diverged(logits: NativeMemory, reference: NativeMemory, vocabulary: number, rows: number) {
  const [values, sums, referenceSums] = [new Float32Array(rows), new Float32Array(rows), new Float32Array(rows)];
  await nativeAddon().scoreDivergence(logits, reference, vocabulary, values, sums, referenceSums);
  return { values, sums, referenceSums };
}

/** Where rounded float32 gradients are not those in bfloat16; NaN is NaN, and 0 is not -0. */
function differences(found: Uint16Array, gradients: Float32Array): [number, number, number][] {
  const values = bfloat16Values(found);
  return [...gradients.keys()]
    .filter((i) => !Object.is(values[i], nearestBfloat16(gradients[i]!)))
    .map((i) => [i, values[i]!, gradients[i]!]);
}

async function expectTokenLosses(logits: Uint16Array, vocabulary: number, shift: number): Promise<void> {
  const rows = logits.length / vocabulary;
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);
  const weights = hashed(9, rows);
  const own = placed(logits, shift);
  const wide = bfloat16Values(logits);
  const wanted = await scored(wide, vocabulary, labels);
  expect(await scored(own.bits, vocabulary, labels)).toEqual(wanted);
  expect(own.bits).toEqual(logits);
  const { logSumExp } = wanted.given;
  await nativeAddon().tokenGradient(own.bits, vocabulary, labels, weights, logSumExp);
  await nativeAddon().tokenGradient(wide, vocabulary, labels, weights, logSumExp);
  expect(differences(own.bits, wide)).toEqual([]);
  expect(own.untouched()).toBe(true);
}

/** With either of the two in bfloat16, and both. */
async function expectDivergences(
  logits: Uint16Array,
  reference: Uint16Array,
  vocabulary: number,
  shift: number,
): Promise<void> {
  const rows = logits.length / vocabulary;
  const weights = hashed(9, rows);
  const [wide, wideReference] = [bfloat16Values(logits), bfloat16Values(reference)];
  const wanted = await diverged(wide, wideReference, vocabulary, rows);
  const settings = [vocabulary, weights, wanted.sums, wanted.referenceSums] as const;
  const gradients = wide.slice();
  await nativeAddon().divergenceGradient(gradients, wideReference, ...settings);
  for (const other of [placed(reference, 3).bits, wideReference]) {
    const own = placed(logits, shift);
    expect(await diverged(own.bits, other, vocabulary, rows)).toEqual(wanted);
    await nativeAddon().divergenceGradient(own.bits, other, ...settings);
    expect(differences(own.bits, gradients)).toEqual([]);
    expect(own.untouched()).toBe(true);
  }
  const narrow = placed(reference, shift).bits;
  expect(await diverged(wide, narrow, vocabulary, rows)).toEqual(wanted);
  await nativeAddon().divergenceGradient(wide, narrow, ...settings);
  expect(wide).toEqual(gradients);
}

const shapes = [
  [1, 1, 1],
  [3, 2, 10],
  [5, 15, 30],
  [4, 17, 100],
  [3, 1023, 5],
  [3, 1025, 20],
  [2, 32003, 12],
  [1, 151936, 60],
] as const;

const courses: [string, (x: number, i: number, vocabulary: number) => number][] = [
  ['rising', (x, i) => 0.05 * i + x],
  ['a token nearly certain', (x, i, vocabulary) => (i === vocabulary >> 1 ? 30 : x)],
  ['blocks of masked tokens', (x, i) => (i % 1500 < 1000 ? -Infinity : 9 * x)],
  ['masked as a whole', () => -Infinity],
  ['with NaN', (x, i) => (i === 1100 ? Number.NaN : x)],
  ['with infinity', (x, i) => (i === 1100 ? Infinity : x)],
  ['near the largest number', (x) => 3e38 * x],
  ['below the smallest normal number', (x) => 1e-39 * x],
];

describe('losses are those of the same numbers in float32, gradients rounded to the nearest', () => {
  test.each(shapes)('%i rows of %i logits within %f', async (rows, vocabulary, scale) => {
    const narrow = (stream: number, range: number) =>
      bfloat16Bits(hashed(stream, rows * vocabulary).map((x) => x * range));
    const logits = narrow(vocabulary, scale);
    for (const shift of vocabulary < 2000 ? [0, 1, 2, 3, 5] : [1]) {
      await expectTokenLosses(logits, vocabulary, shift);
      await expectDivergences(logits, narrow(vocabulary + 1, scale / 2), vocabulary, shift);
    }
  });

  test.each(courses)('of rows in several blocks: %s', async (_, course) => {
    const vocabulary = 2501;
    const logits = bfloat16Bits(hashed(3, 2 * vocabulary).map((x, i) => course(x, i % vocabulary, vocabulary)));
    const other = bfloat16Bits(hashed(4, 2 * vocabulary).map((x) => 6 * x));
    await expectTokenLosses(logits, vocabulary, 1);
    await expectDivergences(logits, other, vocabulary, 1);
    await expectDivergences(other, logits, vocabulary, 1);
  });

  test('of any bits, at any place', async () => {
    const bits = fc.oneof(
      { weight: 3, arbitrary: fc.float({ noNaN: true, min: -60, max: 60 }).map((x) => bfloat16Bits([x])[0]!) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
      { weight: 1, arbitrary: fc.constantFrom(0xff80, 0x7f80, 0x7fc0, 0xff81, 0x8000, 0x7f7f, 1) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(bits, bits), { minLength: 1, maxLength: 90 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 7 }),
        async (pairs, rows, shift) => {
          const vocabulary = Math.ceil(pairs.length / rows);
          const at = (i: number) => pairs[i % pairs.length]!;
          const length = rows * vocabulary;
          const logits = Uint16Array.from({ length }, (_, i) => at(i)[0]);
          const reference = Uint16Array.from({ length }, (_, i) => at(i)[1]);
          await expectTokenLosses(logits, vocabulary, shift);
          await expectDivergences(logits, reference, vocabulary, shift);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });
});

test('losses agree with float64', async () => {
  const vocabulary = 1003;
  const bits = bfloat16Bits(hashed(1, vocabulary).map((x) => 12 * x));
  const logP = logSoftmax(bfloat16Values(bits));
  const label = 400;
  const { given } = await scored(bits, vocabulary, Int32Array.of(label));
  expect(given.nll[0]).toBeCloseTo(-logP[label]!, 4.5);
  await nativeAddon().tokenGradient(bits, vocabulary, Int32Array.of(label), Float32Array.of(0.25), given.logSumExp);
  const others = logP.reduce((sum, x, i) => (i === label ? sum : sum + Math.exp(x)), 0);
  for (const [i, found] of bfloat16Values(bits).entries()) {
    const exact = 0.25 * (i === label ? -others : Math.exp(logP[i]!));
    // Half of the last place, and what float32 adds.
    expect(Math.abs(found - exact)).toBeLessThanOrEqual((2 ** -8 * (1 + 2 ** -8) + 2e-5) * Math.abs(exact));
  }
});

describe('a gradient that is its weight', () => {
  /** Between numbers of bfloat16, on and beside ties, below normal numbers, and beyond the largest. */
  const weights = Float32Array.of(
    ...[1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -23, 1 + 2 ** -8 - 2 ** -23, -(1 + 2 ** -8)],
    ...[1e-40, 3 * 2 ** -134, 2 ** -134, 2 ** -149, -(2 ** -149), 0, -0],
    ...[3.3895313892515355e38, 3.396e38, 3.4e38, -3.4e38, Infinity, Number.NaN],
  );
  const zeros = new Float32Array(weights.length);

  test('is rounded to the nearest, ties to even: the entries of tokens', async () => {
    // With a log-sum-exp of 0 the second token has a probability of 1, and the label, which is masked, of 0.
    const logits = bfloat16Bits([...weights].flatMap(() => [-Infinity, 0]));
    await nativeAddon().tokenGradient(logits, 2, new Int32Array(weights.length), weights, zeros);
    const found = [...bfloat16Values(logits)];
    expect(found.filter((_, i) => i % 2 === 1)).toEqual([...weights].map(nearestBfloat16));
    // The label's is minus what all others have.
    expect(found.filter((_, i) => i % 2 === 0)).toEqual([...weights].map((x) => nearestBfloat16(-x)));
  });

  test('is rounded to the nearest, ties to even: the entries of a divergence', async () => {
    const logits = bfloat16Bits([...weights].flatMap(() => [0, -Infinity]));
    const reference = bfloat16Bits([...weights].flatMap(() => [-Infinity, 0]));
    await nativeAddon().divergenceGradient(logits, reference, 2, weights, zeros, zeros);
    const wanted = [...weights].flatMap((x) => [nearestBfloat16(x), nearestBfloat16(-x)]);
    expect([...bfloat16Values(logits)]).toEqual(wanted);
  });
});

test('the same bits by every instruction set, at every alignment', async () => {
  for (const vocabulary of [17, 1023, 2050]) {
    const rows = 64;
    const original = hashed(vocabulary, rows * vocabulary).map((x) => 20 * x);
    original.fill(-Infinity, vocabulary, vocabulary + 9);
    const logits = bfloat16Bits(original);
    const reference = bfloat16Bits(hashed(5, rows * vocabulary).map((x) => 9 * x));
    const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);
    const weights = hashed(9, rows);
    const runs: Buffer[] = [];
    for (const shift of [0, 1, 6]) {
      const results = await underEveryConfiguration(async () => {
        const [first, second] = [placed(logits, shift).bits, placed(logits, shift).bits];
        const scores = await scored(first, vocabulary, labels);
        await nativeAddon().tokenGradient(first, vocabulary, labels, weights, scores.given.logSumExp);
        const divergence = await diverged(second, reference, vocabulary, rows);
        const { sums, referenceSums } = divergence;
        await nativeAddon().divergenceGradient(second, reference, vocabulary, weights, sums, referenceSums);
        const { given, drawn, sampledLabels } = scores;
        const all = [given, drawn, divergence].flatMap((figures) => Object.values(figures));
        return Buffer.concat([...all, sampledLabels, first, second].map((part) => Buffer.from(part.slice().buffer)));
      });
      runs.push(...results.values());
    }
    for (const run of runs) expect(run.equals(runs[0]!)).toBe(true);
  }
});

test('memory of bytes, and rows that are cut off, are refused', () => {
  const refusal = expect.objectContaining({
    code: 'SOUL_INVALID_ARGUMENT',
    message: expect.stringContaining('logits'),
  });
  const labels = new Int32Array(2);
  const numbers = new Float32Array(2);
  for (const logits of [new Uint8Array(6), new Uint16Array(7)]) {
    const call = () => nativeAddon().tokenGradient(logits, 3, labels, numbers, numbers);
    expect(call).toThrow(refusal);
  }
});
