/**
 * When and from what the second-order optimizer's Hessian diagonal is estimated during a run.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { BatchSampler } from '../data/sampling.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import { estimateHessian } from '../optim/estimate-hessian.ts';
import type { SecondOrderOptimizer } from '../optim/optimizer.ts';

/**
 * Whose curvature is estimated: the retain set's, that is of what must be kept (the default where there is one), the forget
 * set's, or both in turn. Fine-tuning has only its training set, and takes that.
 */
export type HessianData = 'retain' | 'forget' | 'both';

/** How the Gauss-Newton diagonal is estimated; every field has a default. */
export interface CurvatureOptions {
  /** An estimate every so many steps, the first before the first step. Default 10 (Sophia, arXiv 2305.14342). */
  every?: number;
  /** An estimate is the mean over so many chunks, each squared on its own. Default 8. */
  chunks?: number;
  /** Sequences in a chunk. Default 2. */
  chunkSize?: number;
  /**
   * Chunks of the very first estimate, which short runs keep to the end. Default 4 times `chunks`. An optimizer that holds an
   * estimate already, a loaded one for instance, goes on with it, by `chunks`.
   */
  primingChunks?: number;
  /**
   * `'sampled'` (default) draws each label from the model: the Gauss-Newton-Bartlett estimator (arXiv 2305.14342, algorithm 2).
   * `'given'` takes the data's labels: the empirical Fisher.
   */
  labels?: 'sampled' | 'given';
}

/**
 * The set that estimates are made from.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for another word, or retain data asked for where there is none
 */
export function completeHessianData(given: HessianData | undefined, hasRetain: boolean): HessianData {
  const data = given === undefined ? (hasRetain ? 'retain' : 'forget') : given;
  if (data !== 'retain' && data !== 'forget' && data !== 'both') {
    throw invalidArgument('hessianData', "'retain', 'forget' or 'both'", data);
  }
  if (data !== 'forget' && !hasRetain) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `hessianData is '${data}', but there is no retain set`, {
      argument: 'hessianData',
    });
  }
  return data;
}

/**
 * The options with every default filled in.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, or a number out of range
 */
export function completeCurvatureOptions(options: CurvatureOptions): Required<CurvatureOptions> {
  checkNames('curvature', options, ['every', 'chunks', 'chunkSize', 'primingChunks', 'labels']);
  const { labels = 'sampled', chunks = 8 } = options;
  if (labels !== 'sampled' && labels !== 'given') {
    throw invalidArgument('curvature.labels', "'sampled' or 'given'", labels);
  }
  return {
    every: checkInteger('curvature.every', options.every ?? 10),
    chunks: checkInteger('curvature.chunks', chunks),
    chunkSize: checkInteger('curvature.chunkSize', options.chunkSize ?? 2),
    primingChunks: checkInteger('curvature.primingChunks', options.primingChunks ?? 4 * chunks),
    labels,
  };
}

/** When estimates are made, and from which sequences. */
export interface CurvaturePlan {
  readonly every: number;
  readonly labels: 'sampled' | 'given';
  /** The chunks of the estimate before a step, counted from 0. */
  chunksAt(step: number): TokenSequence[][];
}

/** Plans the estimates of a run; each goes on through the data where the one before it ended. */
export function curvaturePlan(
  options: CurvatureOptions,
  hessianData: HessianData | undefined,
  sets: { target: readonly TokenSequence[]; retain?: readonly TokenSequence[] | undefined },
  seed: bigint,
): CurvaturePlan {
  const { every, labels, chunks, chunkSize, primingChunks } = completeCurvatureOptions(options);
  const data = completeHessianData(hessianData, (sets.retain?.length ?? 0) > 0);
  const sources = { retain: [sets.retain!], forget: [sets.target], both: [sets.retain!, sets.target] }[data].map(
    (sequences) => ({
      sequences,
      sampler: new BatchSampler({ size: sequences.length, batchSize: chunkSize, seed, purpose: 'curvature order' }),
    }),
  );
  return {
    every,
    labels,
    chunksAt(step) {
      const first = step === 0 ? 0 : primingChunks + (step / every - 1) * chunks;
      return Array.from({ length: step === 0 ? primingChunks : chunks }, (_, i) => {
        const { sequences, sampler } = sources[(first + i) % sources.length]!;
        return [...sampler.indices(Math.floor((first + i) / sources.length))].map((index) => sequences[index]!);
      });
    },
  };
}

export interface CurvatureEstimate {
  /** Sequences that the estimate was made from. */
  sequences: number;
  /** Label tokens that the estimate was made from. */
  tokens: number;
  /** Chunks left out because their gradient was not finite. */
  skippedChunks: number;
  seconds: number;
}

export interface EstimateOptions extends Cancellable {
  /** Sets the diagonal to this estimate instead of averaging it in. */
  prime: boolean;
  /** The seed of a chunk's label draws; absent, the given labels are taken. */
  labelSeed?: (chunk: number) => bigint;
}

/**
 * Estimates the Gauss-Newton diagonal as a mean over chunks and folds it into the optimizer's state.
 *
 * Each chunk contributes B * g * g, with g the gradient of the mean cross-entropy over its B label tokens. The model's
 * gradients are zeroed before and after each, whether it fails or not ({@link estimateHessian}).
 *
 * @param chunks one batch of sequences for each chunk
 * @throws SoulError SOUL_NON_FINITE where no chunk has a finite gradient; SOUL_CANCELLED
 */
export async function estimateCurvature(
  model: DifferentiableLM,
  optimizer: SecondOrderOptimizer,
  chunks: readonly (readonly TokenSequence[])[],
  options: EstimateOptions,
): Promise<CurvatureEstimate> {
  const begun = performance.now();
  checkNames('options', options, ['prime', 'labelSeed', 'signal']);
  const { prime, labelSeed, signal } = options;
  let sequences = 0;
  const { skippedParts, labels } = await estimateHessian(optimizer, {
    parts: chunks.length,
    prime,
    gradient: async (chunk) => {
      throwIfCancelled(signal, `a curvature estimate was cancelled after ${chunk} of ${chunks.length} chunks`, {
        done: chunk,
        total: chunks.length,
      });
      const batch = TokenBatch.of(chunks[chunk]!);
      const weights = new Float32Array(batch.labelCount).fill(1 / batch.labelCount);
      await model.accumulate(batch, weights, {
        ...(labelSeed ? { labels: { sampledWith: labelSeed(chunk) } } : {}),
        ...withoutUndefined({ signal }),
      });
      sequences += batch.size;
      return batch.labelCount;
    },
  });
  return { sequences, tokens: labels, skippedChunks: skippedParts, seconds: (performance.now() - begun) / 1000 };
}
