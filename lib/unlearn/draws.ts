/**
 * Which examples each step uses: pure functions of the seed and the step, so that a run can begin anywhere.
 *
 * @module
 */

import { randomStream } from '../core/random.ts';

/** The draws of one run. Steps count from 0. */
export interface Draws {
  readonly stepsPerEpoch: number;
  /** Target examples of a step: a new order each epoch; an epoch's last batch may be smaller. */
  target(step: number): number[];
  /** Retain examples beside those of `target(step)`. */
  retain(step: number, targetIndices: readonly number[]): number[];
  /** Which of `count` refusals stands in for the i-th answer of a step. */
  refusal(step: number, i: number, count: number): number;
  /** Examples of one chunk of a curvature estimate, out of `length`, without repeats while there are enough. */
  curvature(step: number, chunk: number, chunkSize: number, length: number): number[];
  /** The seed of the labels that a chunk of a curvature estimate samples. */
  labelSeed(step: number, chunk: number): bigint;
}

export function drawsOf(options: {
  seed: bigint;
  /** Examples in the target set. */
  target: number;
  /** Examples in the retain set; 0 where there is none. */
  retain: number;
  batchSize: number;
  pairing: 'fresh' | 'fixed';
}): Draws {
  const { seed, batchSize } = options;
  const stepsPerEpoch = Math.ceil(options.target / batchSize);
  const targetOrder = randomStream(seed, 'target order');
  const retainPartner = randomStream(seed, 'retain partner');
  const refusals = randomStream(seed, 'refusal');
  const curvatureOrder = randomStream(seed, 'curvature order');
  const curvatureLabels = randomStream(seed, 'curvature labels');
  let epochOrder = { epoch: -1, order: new Uint32Array() };
  let estimateOrder = { key: '', order: new Uint32Array() };

  return {
    stepsPerEpoch,
    target(step) {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (epochOrder.epoch !== epoch) epochOrder = { epoch, order: targetOrder.permutation(options.target, epoch) };
      const begin = (step % stepsPerEpoch) * batchSize;
      return [...epochOrder.order.subarray(begin, begin + batchSize)];
    },
    retain: (step, targetIndices) =>
      targetIndices.map((target, i) =>
        options.pairing === 'fixed'
          ? retainPartner.integer(options.retain, 0, target)
          : retainPartner.integer(options.retain, step + 1, i),
      ),
    refusal: (step, i, count) => refusals.integer(count, step, i),
    curvature(step, chunk, chunkSize, length) {
      const key = `${step} ${length}`;
      if (estimateOrder.key !== key) estimateOrder = { key, order: curvatureOrder.permutation(length, step) };
      return Array.from({ length: chunkSize }, (_, i) => estimateOrder.order[(chunk * chunkSize + i) % length]!);
    },
    labelSeed: (step, chunk) => curvatureLabels.seed64(step, chunk),
  };
}
