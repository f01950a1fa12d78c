/**
 * The losses over a chunk of logits: scores, then the gradient in place of the logits.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { type Device, nativeMemory } from '../../lib/core/flat-buffer.ts';
import { cast } from '../../lib/core/vector-operations.ts';
import type { KernelCase, Prepared } from './case.ts';
import { filledBuffer } from './memory.ts';

export interface LogitsShape {
  /** Label tokens. */
  readonly rows: number;
  readonly vocabulary: number;
}

/** Where the labels come from. */
export type Labels = 'given' | 'sampled';

/** Of logits and their gradients. */
export type LogitsDType = 'f32' | 'bf16';

/** Names of the cases, as `--kernels` takes them. */
export const tokenLossKernels = [
  'token-loss',
  'sampled-token-loss',
  'token-scores',
  'divergence-loss',
] as const satisfies readonly string[];

/** A model's logits spread over some units. */
const logitScale = 4;
const sampleSeed = 1n;

const bytesOf: Readonly<Record<LogitsDType, number>> = { f32: 4, bf16: 2 };

/** All that is computed over logits of one shape. */
export function tokenLossCases(shape: LogitsShape): KernelCase[] {
  return (['f32', 'bf16'] as const).flatMap((dtype) => [
    tokenLossCase('given', shape, dtype),
    tokenLossCase('sampled', shape, dtype),
    tokenScores(shape, dtype),
    divergenceLoss(shape, dtype),
  ]);
}

export function tokenLossCase(labels: Labels, shape: LogitsShape, dtype: LogitsDType = 'f32'): KernelCase {
  const bytes = bytesOf[dtype];
  return {
    ...overLogits(shape, dtype),
    kernel: labels === 'given' ? 'token-loss' : 'sampled-token-loss',
    title: labels === 'given' ? 'Token loss and gradient' : 'Token loss and gradient, labels sampled',
    // One read for the scores, then a read and a write.
    bytesPerElement: 3 * bytes,
    residentBytesPerElement: 2 * bytes,
    prepare: (_, device) => prepareTokenLoss(labels, shape, true, device, dtype),
  };
}

/**
 * @param keep whether the logits are put back before each run; without, each run works on the gradients that the one
 *   before left, in half the memory
 */
export async function prepareTokenLoss(
  labels: Labels,
  shape: LogitsShape,
  keep: boolean,
  device: Device = 'cpu',
  dtype: LogitsDType = 'f32',
): Promise<Prepared> {
  const addon = nativeAddon();
  const { vocabulary } = shape;
  const logits = await filledLogits(shape, dtype, device);
  const original = keep ? await filledLogits(shape, dtype, device) : undefined;
  const memory = nativeMemory(logits, 'logits');
  const { labelOf, weights, logSumExp, nll } = rowArrays(shape);
  const score = () =>
    addon.scoreTokens(
      memory,
      vocabulary,
      labels === 'given' ? { labels: labelOf, logSumExp, nll } : { sampledLabels: labelOf, sampleSeed, logSumExp, nll },
    );
  const gradient = () => addon.tokenGradient(memory, vocabulary, labelOf, weights, logSumExp);
  return {
    ...inParts(device, score, gradient),
    passes: [
      { reads: [logits], writes: [] },
      { reads: [logits], writes: [logits] },
    ],
    ...(original ? { reset: () => logits.copyFrom(original) } : {}),
    async release() {
      await Promise.all([logits.release(), original?.release()]);
    },
  };
}

/** As {@link tokenLossCase} of bfloat16 and given labels, over a float32 copy of which the gradients are rounded. */
export function copiedTokenLossCase(shape: LogitsShape): KernelCase {
  return {
    ...overLogits(shape, 'bf16'),
    kernel: 'copied-token-loss',
    title: 'Token loss and gradient over a float32 copy',
    // A cast, one read for the scores, a read and a write, a cast.
    bytesPerElement: 6 + 4 + 8 + 6,
    residentBytesPerElement: 2 + 2 + 4,
    async prepare(_, device = 'cpu') {
      const addon = nativeAddon();
      const { vocabulary } = shape;
      const [logits, original] = [await filledLogits(shape, 'bf16', device), await filledLogits(shape, 'bf16', device)];
      const copy = await filledLogits(shape, 'f32', device);
      const memory = nativeMemory(copy, 'copy');
      const { labelOf, weights, logSumExp, nll } = rowArrays(shape);
      return {
        ...inParts(
          device,
          () => cast(logits, copy),
          () => addon.scoreTokens(memory, vocabulary, { labels: labelOf, logSumExp, nll }),
          () => addon.tokenGradient(memory, vocabulary, labelOf, weights, logSumExp),
          () => cast(copy, logits),
        ),
        passes: [
          { reads: [logits], writes: [copy] },
          { reads: [copy], writes: [] },
          { reads: [copy], writes: [copy] },
          { reads: [copy], writes: [logits] },
        ],
        reset: () => logits.copyFrom(original),
        async release() {
          await Promise.all([logits.release(), original.release(), copy.release()]);
        },
      };
    },
  };
}

/** Scores alone, with every statistic that there is. */
function tokenScores(shape: LogitsShape, dtype: LogitsDType): KernelCase {
  return {
    ...overLogits(shape, dtype),
    kernel: 'token-scores',
    title: 'Token scores with argmax, mean and variance',
    bytesPerElement: bytesOf[dtype],
    residentBytesPerElement: bytesOf[dtype],
    async prepare(_, device) {
      const { rows, vocabulary } = shape;
      const logits = await filledLogits(shape, dtype, device);
      const memory = nativeMemory(logits, 'logits');
      const { labelOf, logSumExp, nll } = rowArrays(shape);
      const statistics = {
        isArgmax: new Uint8Array(rows),
        meanLogP: new Float32Array(rows),
        varianceLogP: new Float32Array(rows),
      };
      return {
        run: () => nativeAddon().scoreTokens(memory, vocabulary, { labels: labelOf, logSumExp, nll, ...statistics }),
        passes: [{ reads: [logits], writes: [] }],
        release: () => logits.release(),
      };
    },
  };
}

/** KL to the distribution of a reference's logits, and its gradient. */
function divergenceLoss(shape: LogitsShape, dtype: LogitsDType): KernelCase {
  const bytes = bytesOf[dtype];
  return {
    ...overLogits(shape, dtype),
    kernel: 'divergence-loss',
    title: 'KL to a reference and gradient',
    // One read of both for the scores, then a read of both and a write.
    bytesPerElement: 5 * bytes,
    residentBytesPerElement: 3 * bytes,
    async prepare(_, device = 'cpu') {
      const addon = nativeAddon();
      const { rows, vocabulary } = shape;
      const [logits, original, reference] = [
        await filledLogits(shape, dtype, device),
        await filledLogits(shape, dtype, device),
        await filledLogits(shape, dtype, device, logitScale / 2),
      ];
      const memory = nativeMemory(logits, 'logits');
      const other = nativeMemory(reference, 'reference');
      const { weights, logSumExp, nll: divergence } = rowArrays(shape);
      const otherLogSumExp = new Float32Array(rows);
      const score = () => addon.scoreDivergence(memory, other, vocabulary, divergence, logSumExp, otherLogSumExp);
      const gradient = () => addon.divergenceGradient(memory, other, vocabulary, weights, logSumExp, otherLogSumExp);
      return {
        ...inParts(device, score, gradient),
        passes: [
          { reads: [logits, reference], writes: [] },
          { reads: [logits, reference], writes: [logits] },
        ],
        reset: () => logits.copyFrom(original),
        async release() {
          await Promise.all([logits.release(), original.release(), reference.release()]);
        },
      };
    },
  };
}

/**
 * Calls of which one takes from the host what another left there: on a device when it has come, on the CPU in the order of
 * the calls.
 */
function inParts(device: Device, ...calls: readonly (() => Promise<unknown>)[]): Pick<Prepared, 'run' | 'parts'> {
  if (device === 'cpu') return { run: () => Promise.all(calls.map((call) => call())) };
  return {
    async run() {
      for (const call of calls) await call();
    },
    parts: calls,
  };
}

function overLogits(shape: LogitsShape, dtype: LogitsDType): Pick<KernelCase, 'subject' | 'storage' | 'shape'> {
  return { subject: 'The token loss', storage: dtype, shape };
}

function filledLogits(
  { rows, vocabulary }: LogitsShape,
  dtype: LogitsDType,
  device: Device | undefined,
  scale = logitScale,
) {
  return filledBuffer(rows * vocabulary, dtype, scale, device);
}

/** What there is one of for each row. */
function rowArrays({ rows, vocabulary }: LogitsShape) {
  return {
    labelOf: Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary),
    weights: new Float32Array(rows).fill(1 / rows),
    logSumExp: new Float32Array(rows),
    nll: new Float32Array(rows),
  };
}
