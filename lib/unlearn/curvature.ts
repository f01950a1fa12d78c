/**
 * When and from what the second-order optimizer's Hessian diagonal is estimated during a run.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { elementCount } from '../core/shape.ts';
import { BatchSampler } from '../data/sampling.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import { estimateHessian } from '../optim/estimate-hessian.ts';
import type { SecondOrderOptimizer } from '../optim/optimizer.ts';
import { choiceSetting, completeSettings, type GivenSettings, integerSetting } from './setting.ts';

/**
 * Whose curvature is estimated: the retain set's, that is of what must be kept (the default where there is one), the forget
 * set's, or both in turn. Fine-tuning has only its training set, and takes that.
 */
export type HessianData = 'retain' | 'forget' | 'both';

/** How the Gauss-Newton diagonal is estimated; each has a default. */
export const curvatureSettings = {
  /**
   * Twice the paper's 10: h is a mean over many estimates, of runs that are short the first to the end, and half as many keep the time
   * of a step of SmolLM2-135M within 1.06 of AdamW's.
   */
  every: integerSetting('estimate the curvature every so many steps, the first before the first step', 20),
  chunks: integerSetting(
    "an estimate is the mean over so many chunks of data, each squared on its own; one that rides on the retain batch takes all of the batch's",
    4,
    { high: 2 ** 28 },
  ),
  chunkSize: integerSetting('examples in a chunk', 2),
  /** An optimizer that holds an estimate already, a loaded one for instance, goes on with it, by `chunks`. */
  primingChunks: integerSetting('chunks of the very first estimate, which short runs keep to the end', undefined, {
    high: 2 ** 31,
  }),
  labels: choiceSetting(
    'labels that the model draws (sampled, the Gauss-Newton-Bartlett estimator, arXiv 2305.14342) or those of the data (given, the empirical ' +
      'Fisher); none: no estimate, the same curvature 1 for every weight, to compare with',
    ['sampled', 'given', 'none'],
    'sampled',
  ),
  source: choiceSetting(
    "passes that estimates are made from: auto, the retain term's own where all of a step's batch fits into memory and has no " +
      'fewer chunks than are asked for; separate, passes of their own',
    ['auto', 'separate'],
    'auto',
  ),
} as const;

/** {@link curvatureSettings}, each of which may be left out. */
export type CurvatureOptions = GivenSettings<typeof curvatureSettings>;

/** The chunks of the first estimate are 8 times as many, unless they are given. */
const primingFactor = 8;

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
  checkNames('curvature', options, Object.keys(curvatureSettings));
  const complete = completeSettings('curvature', curvatureSettings, options, 'curvature.');
  return { ...complete, primingChunks: complete.primingChunks ?? primingFactor * complete.chunks };
}

/** When estimates are made, and from which sequences. */
export interface CurvaturePlan {
  readonly every: number;
  readonly labels: 'sampled' | 'given' | 'none';
  /**
   * The chunks of the estimate before a step, counted from 0; where there are no labels, none.
   *
   * @param primes whether it has those of a first one; default at step 0
   */
  chunksAt(step: number, primes?: boolean): TokenSequence[][];
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
    chunksAt(step, primes = step === 0) {
      if (labels === 'none') return [];
      const first = step === 0 ? 0 : primingChunks + (Math.ceil(step / every) - 1) * chunks;
      return Array.from({ length: primes ? primingChunks : chunks }, (_, i) => {
        const { sequences, sampler } = sources[(first + i) % sources.length]!;
        return [...sampler.indices(Math.floor((first + i) / sources.length))].map((index) => sequences[index]!);
      });
    },
  };
}

export interface CurvatureEstimate {
  /** Whether it was made from the retain term's own passes. */
  riding: boolean;
  /** Sequences that the estimate was made from. */
  sequences: number;
  /** Label tokens that the estimate was made from. */
  tokens: number;
  /** Chunks left out because their gradient was not finite. */
  skippedChunks: number;
  /** What the estimate took; the forward passes of one that rides are the term's. */
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
  const seconds = (performance.now() - begun) / 1000;
  return { riding: false, sequences, tokens: labels, skippedChunks: skippedParts, seconds };
}

/**
 * Sets the diagonal to 1 for every weight, in place of an estimate: a step is then the momentum over rho, clipped. Nothing is passed
 * through the model. Its gradients must be 0, and are 0 after it; padding between parameters keeps a diagonal of 0, so that it doesn't
 * count where rho is found.
 */
export async function constantCurvature(
  model: DifferentiableLM,
  optimizer: SecondOrderOptimizer,
): Promise<CurvatureEstimate> {
  const begun = performance.now();
  const { gradients, layout } = model.parameters;
  await Promise.all([...layout].map(([, { offset, shape }]) => gradients.view(offset, elementCount(shape)).fill(1)));
  await optimizer.updateHessian({ batchSize: 1, prime: true, zeroGradients: true, exact: true });
  const seconds = (performance.now() - begun) / 1000;
  return { riding: false, sequences: 0, tokens: 0, skippedChunks: 0, seconds };
}
