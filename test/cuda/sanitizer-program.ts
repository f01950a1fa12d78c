/**
 * Launches every kernel a few times on memory that begins anywhere, in a process of its own: for compute-sanitizer, and to
 * see that device code runs at all. Checks nothing of the numbers but that optimizers step.
 *
 *   compute-sanitizer --tool memcheck node --import tsx test/cuda/sanitizer-program.ts
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import {
  AdamW,
  addNormal,
  addSign,
  axpy,
  cast,
  countNonFinite,
  dot,
  FlatBuffer,
  fillFrozen,
  gram,
  machineCode,
  maskWhereZero,
  quantile,
  Sophia,
  scale,
  softThreshold,
  squaredNorm,
} from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';

type Floating = 'f32' | 'bf16';

const device = 'cuda:0';
/** Several tiles of a block, and a tail. */
const length = 20_011;
const dtypes = ['f32', 'bf16'] as const;
/** Elements before the first: aligned, and not. */
const skews = [0, 3];

async function vector(stream: number, dtype: Floating, skew: number): Promise<FlatBuffer<Floating>> {
  const buffer = FlatBuffer.alloc(length + skew, { dtype, device }).view(skew);
  await buffer.copyFrom(hashed(stream, length));
  return buffer;
}

async function vectorOperations(skew: number): Promise<void> {
  const frozen = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8', device });
  await frozen.fill(0x11);
  for (const first of dtypes) {
    const a = await vector(1, first, skew);
    await softThreshold(a, 0.1, { frozen, rounding: 'stochastic', seed: 3n });
    await softThreshold(a, 0.1);
    await fillFrozen(a, frozen, 0.5);
    await scale(a, 0.5, { rounding: 'stochastic', seed: 3n });
    await squaredNorm(a);
    await countNonFinite(a);
    await maskWhereZero(a);
    await quantile({ of: 'magnitude', a }, 0.3);
    await a.fill(0.25);
    for (const second of dtypes) {
      const b = await vector(2, second, 0);
      await axpy(0.5, a, b, { rounding: 'stochastic', seed: 4n });
      await addSign(0.5, a, b, { rounding: 'stochastic', seed: 4n });
      await addNormal(0.5, a, b, { seed: 4n, frozen, rounding: 'stochastic' });
      await addNormal(0.5, a, b, { seed: 4n });
      await cast(a, b, { rounding: 'stochastic', seed: 5n });
      await dot(a, b);
      await quantile({ of: 'product', a, b }, 0.6);
      await quantile({ of: 'ratio', a, b }, 0.6);
      for (let count = 1; count <= 4; count++) {
        await gram(
          await Promise.all(Array.from({ length: count }, (_, i) => vector(i, i % 2 === 0 ? first : second, skew))),
        );
      }
    }
  }
  for (const types of [['f32'], ['bf16'], dtypes] as const) {
    for (const count of [1, 2, 3, 4]) {
      const streams = await Promise.all(
        Array.from({ length: 2 * count }, (_, i) => vector(i, types[i % types.length]!, skew)),
      );
      const memory = streams.map((buffer) => nativeMemory(buffer, 'stream'));
      await nativeAddon().streamPattern(memory.slice(0, count), memory.slice(count));
    }
  }
  const [input, output] = [await vector(1, 'f32', skew), await vector(2, 'f32', skew)];
  const memory = [nativeMemory(input, 'input'), nativeMemory(output, 'output')] as const;
  await nativeAddon().elementwise('exp', ...memory);
  await nativeAddon().elementwise('log', ...memory);
  await nativeAddon().randomBits(5n, 6n, memory[1] as Parameters<ReturnType<typeof nativeAddon>['randomBits']>[2]);
}

async function optimizers(skew: number): Promise<void> {
  const storages = [
    ['f32', 'none'],
    ['bf16', 'none'],
    ['bf16', 'f32'],
  ] as const;
  const frozen = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8', device });
  await frozen.fill(0x11);
  for (const [dtype, master] of storages) {
    for (const states of dtypes) {
      const options = {
        precision: { master, states },
        clipNorm: 1,
        ...(skew > 0 ? { frozen } : {}),
      };
      const parameters = { values: await vector(1, dtype, skew), gradients: await vector(2, dtype, skew) };
      const adamw = new AdamW(parameters, options);
      await expectStep(adamw.step());
      for (const estimateDtype of dtypes) {
        const sophia = new Sophia(parameters, { ...options, rho: { clippedFraction: 0.1 } });
        const from = await vector(3, estimateDtype, 0);
        await sophia.updateHessian({ from, batchSize: 8, prime: true });
        await sophia.updateHessian({ from, batchSize: 8, part: [0, 2] });
        await sophia.updateHessian({ from, batchSize: 8, part: [1, 2] });
        await expectStep(sophia.step({ hessian: { from, batchSize: 8 } }));
        await expectStep(sophia.step());
      }
      const own = new Sophia(parameters, { ...options, estimator: { squaredGradient: { batchSize: 4 } } });
      await expectStep(own.step({ zeroGradients: true }));
    }
  }
}

async function expectStep(step: Promise<{ skipped: boolean }>): Promise<void> {
  if ((await step).skipped) throw new Error('a step was skipped');
}

async function tokenLosses(rows: number, vocabulary: number, dtype: Floating): Promise<void> {
  const rowsOf = async (stream: number, of: Floating) => {
    const buffer = FlatBuffer.alloc(rows * vocabulary, { dtype: of, device });
    await buffer.copyFrom(hashed(stream, rows * vocabulary));
    return nativeMemory(buffer, 'logits');
  };
  const logits = await rowsOf(1, dtype);
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);
  const numbers = () => new Float32Array(rows);
  const [sums, referenceSums] = [numbers(), numbers()];
  for (const sampled of [{}, { sampledLabels: new Int32Array(rows), sampleSeed: 7n, firstRow: 0n }]) {
    for (const moments of [{}, { meanLogP: numbers(), varianceLogP: numbers() }]) {
      const scores = {
        labels,
        logSumExp: sums,
        nll: numbers(),
        isArgmax: new Uint8Array(rows),
        ...sampled,
        ...moments,
      };
      await nativeAddon().scoreTokens(logits, vocabulary, scores);
    }
  }
  const weights = numbers().fill(0.5);
  for (const other of dtypes) {
    const pair = [logits, await rowsOf(2, other), vocabulary] as const;
    await nativeAddon().scoreDivergence(...pair, numbers(), sums, referenceSums);
    await nativeAddon().divergenceGradient(...pair, weights, sums, referenceSums);
  }
  for (const reference of [undefined, await rowsOf(3, 'f32'), await rowsOf(3, 'bf16')]) {
    const target = { labels, shift: -10, logSumExp: sums, targetLogSumExp: referenceSums, labelProbability: numbers() };
    await nativeAddon().scoreTarget(logits, reference, vocabulary, target, numbers());
    await nativeAddon().targetGradient(logits, reference, vocabulary, target, weights);
  }
  await nativeAddon().scoreTokens(logits, vocabulary, { labels, logSumExp: sums });
  await nativeAddon().tokenGradient(logits, vocabulary, labels, weights, sums);
}

for (const skew of skews) {
  await vectorOperations(skew);
  await optimizers(skew);
}
for (const dtype of dtypes) {
  await tokenLosses(5, 1021, dtype);
  // So few rows of a large vocabulary are shared by several blocks each.
  await tokenLosses(2, 100_003, dtype);
}
console.log(JSON.stringify({ device, machineCode: machineCode(device) }));
