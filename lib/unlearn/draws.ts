/**
 * Every draw of a descent, as pure functions of the seed and the step: it can begin anywhere.
 *
 * @module
 */

import { randomStream } from '../core/random.ts';
import { BatchSampler, PartnerSampler } from '../data/sampling.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { Draw, Source } from './source.ts';

export interface Draws {
  readonly stepsPerEpoch: number;
  /** Target examples of a step, counted from 0: a new order each epoch; an epoch's last batch may be smaller. */
  target(step: number): number[];
  /** The sequences of a source in a step, example after example. */
  sequences(source: Source, step: number): TokenSequence[];
  /** Every sequence of a source that some step may draw, by target example. */
  all(source: Source, steps: number): Iterable<TokenSequence>;
  /** The seed of the labels that a chunk of a curvature estimate samples. */
  labelSeed(step: number, chunk: number): bigint;
}

export interface DrawOptions {
  seed: bigint;
  /** Examples in the target set. */
  target: number;
  batchSize: number;
  pairing: 'fresh' | 'fixed';
}

export function drawsOf({ seed, target, batchSize, pairing }: DrawOptions): Draws {
  const batches = new BatchSampler({ size: target, batchSize, seed, purpose: 'target order' });
  const samplers = new Map<string, PartnerSampler>();
  const draw = (epoch: number, index: number, purpose: string, size: number): number => {
    const key = `${purpose} ${size}`;
    const sampler = samplers.get(key) ?? new PartnerSampler({ size, pairing, seed, purpose });
    samplers.set(key, sampler);
    return sampler.partner(epoch, index);
  };
  const labels = randomStream(seed, 'curvature labels');
  const sequencesOf = (source: Source, epoch: number, index: number): readonly TokenSequence[] => {
    const own: Draw = (purpose, size) => draw(epoch, index, purpose, size);
    const { beside } = source;
    return source.at(beside === 'target' ? index : own(beside.purpose, source.size), own);
  };
  return {
    stepsPerEpoch: batches.stepsPerEpoch,
    target: (step) => [...batches.indices(step)],
    sequences: (source, step) =>
      [...batches.indices(step)].flatMap((index) => sequencesOf(source, batches.epochOf(step), index)),
    *all(source, steps) {
      const epochs = pairing === 'fixed' ? 1 : batches.epochOf(steps - 1) + 1;
      for (let index = 0; index < target; index++) {
        for (let epoch = 0; epoch < epochs; epoch++) yield* sequencesOf(source, epoch, index);
      }
    },
    labelSeed: (step, chunk) => labels.seed64(step, chunk),
  };
}
