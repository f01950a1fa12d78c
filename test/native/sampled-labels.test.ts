import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';
import { chiSquareZ } from './chi-square.ts';
import { underEveryConfiguration } from './configurations.ts';
import { logSoftmax } from './log-softmax.ts';

async function sample(logits: Float32Array, vocabulary: number, seed: bigint, firstRow = 0n): Promise<Int32Array> {
  const sampledLabels = new Int32Array(logits.length / vocabulary);
  await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: seed, firstRow });
  return sampledLabels;
}

/** -log(-log(1 - v)) of every token, in float32 as native/kernels/random.h has it. */
async function gumbels(seed: bigint, row: bigint, vocabulary: number): Promise<Float32Array> {
  const bits = new Int32Array(vocabulary);
  await nativeAddon().randomBits(seed, row, bits);
  const uniform = Float32Array.from(bits, (word) => Math.fround(Math.fround(word >>> 0) + 0.5) * 2 ** -32);
  const below = uniform.map((v) => (Math.fround(1 - v) < 2 ** -25 ? 2 ** -33 : Math.fround(1 - v)));
  const logs = new Float32Array(vocabulary);
  await nativeAddon().elementwise('log', below, logs);
  const exponentials = uniform.map((v, i) => {
    const gone = Math.fround(1 - below[i]!);
    return gone > 0 ? -logs[i]! * Math.fround(v / gone) : v;
  });
  await nativeAddon().elementwise('log', exponentials, logs);
  return logs.map((log) => -log);
}

/** The first token with the largest logit + gumbel, every one of them computed; NaN is passed over. */
function plainDraw(logits: Float32Array, gumbel: Float32Array): number {
  let best = -Infinity;
  let label = 0;
  for (let i = 0; i < logits.length; i++) {
    const score = Math.fround(logits[i]! + gumbel[i]!);
    if (!(score > best)) continue;
    best = score;
    label = i;
  }
  return label;
}

const rows: [string, (x: number, i: number, vocabulary: number) => number][] = [
  ['flat', () => 3],
  ['within 1', (x) => x],
  ['within 30', (x) => 30 * x],
  ['within 2000', (x) => 2000 * x],
  ['one high token', (x, i, vocabulary) => (i === vocabulary >> 1 ? 14 : x)],
  ['rising', (x, i) => 0.01 * i + x],
  ['falling', (x, i) => x - 0.01 * i],
  ['mostly masked', (x, i) => (i % 97 === 5 ? x : -Infinity)],
  ['the first half masked', (x, i, vocabulary) => (i < vocabulary / 2 ? -Infinity : x)],
  ['full of equal logits', (x) => Math.round(4 * x)],
  ['too large for a score to show its draw', (x) => 1e9 * x],
  ['near the largest number', (x) => 3e38 * x],
  ['far below 0', (x) => 8 * x - 1e5],
  ['with NaN', (x, i) => (i % 50 === 1 ? Number.NaN : x)],
  ['with infinity', (x, i) => (i % 5000 === 4999 ? Infinity : x)],
];

describe('sampled labels', () => {
  test.each([3, 12, 40])('follow softmax(logits) over %i tokens', async (vocabulary) => {
    const rows = 40_000;
    const row = hashed(77, vocabulary).map((x) => 2 * x);
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
    const logits = hashed(8, 6 * vocabulary).map((x) => 3 * x);
    const all = await sample(logits, vocabulary, 42n);
    expect(await sample(logits.slice(2 * vocabulary), vocabulary, 42n, 2n)).toEqual(all.slice(2));
    expect(await sample(logits, vocabulary, 43n)).not.toEqual(all);
    const nll = new Float32Array(6);
    const sampledLabels = new Int32Array(6);
    await nativeAddon().scoreTokens(logits, vocabulary, { sampledLabels, sampleSeed: 42n, nll });
    const scored = new Float32Array(6);
    await nativeAddon().scoreTokens(logits, vocabulary, { labels: all, nll: scored });
    expect(nll).toEqual(scored);
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

  test('are those of a plain evaluation of every score', async () => {
    for (const vocabulary of [1, 2, 15, 16, 17, 1023, 1024, 1025, 2049, 49152, 151936]) {
      const count = Math.ceil(250_000 / Math.max(vocabulary, 6000));
      const base = hashed(vocabulary, count * vocabulary);
      const draws: Float32Array[] = [];
      for (let row = 0; row < count; row++) draws.push(await gumbels(11n, 1000n + BigInt(row), vocabulary));
      for (const [name, course] of rows) {
        const logits = base.map((x, i) => course(x, i % vocabulary, vocabulary));
        const labels = await sample(logits, vocabulary, 11n, 1000n);
        const plain = draws.map((gumbel, row) =>
          plainDraw(logits.subarray(row * vocabulary, (row + 1) * vocabulary), gumbel),
        );
        expect([name, vocabulary, ...labels]).toEqual([name, vocabulary, ...plain]);
      }
    }
  });

  test('are the same by every instruction set, at every alignment', async () => {
    for (const vocabulary of [1, 17, 1025, 3000]) {
      const original = hashed(6, 64 * vocabulary).map((x) => 8 * x);
      const drawn: Int32Array[] = [];
      for (const shift of [0, 1, 2]) {
        const logits = new Float32Array(original.length + shift).subarray(shift);
        logits.set(original);
        drawn.push(...(await underEveryConfiguration(() => sample(logits, vocabulary, 3n))).values());
      }
      for (const labels of drawn) expect(labels).toEqual(drawn[0]);
    }
  });
});
