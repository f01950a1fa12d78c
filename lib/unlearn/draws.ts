/**
 * Every draw of a run, as pure functions of the seed and the step: a run can begin anywhere.
 *
 * @module
 */

import { randomStream } from '../core/random.ts';
import { BatchSampler, PartnerSampler } from '../data/sampling.ts';

export interface Draws {
  readonly stepsPerEpoch: number;
  /** Target examples of a step, counted from 0: a new order each epoch; an epoch's last batch may be smaller. */
  target(step: number): number[];
  /** The retain example beside a target example. */
  retain(step: number, target: number): number;
  /** Which refusal stands in for a target example's answer. */
  refusal(step: number, target: number): number;
  /** The seed of the labels that a chunk of a curvature estimate samples. */
  labelSeed(step: number, chunk: number): bigint;
}

export interface DrawOptions {
  seed: bigint;
  /** Examples in the target set. */
  target: number;
  /** Examples in the retain set; 0 where there is none. */
  retain: number;
  /** Refusals to choose from; 0 where there are none. */
  refusals: number;
  batchSize: number;
  pairing: 'fresh' | 'fixed';
}

export function drawsOf({ seed, target, retain, refusals, batchSize, pairing }: DrawOptions): Draws {
  const batches = new BatchSampler({ size: target, batchSize, seed, purpose: 'target order' });
  const partners = (size: number, purpose: string) =>
    size > 0 ? new PartnerSampler({ size, pairing, seed, purpose }) : undefined;
  const retainPartners = partners(retain, 'retain partner');
  const refusalPartners = partners(refusals, 'refusal');
  const labels = randomStream(seed, 'curvature labels');
  return {
    stepsPerEpoch: batches.stepsPerEpoch,
    target: (step) => [...batches.indices(step)],
    retain: (step, index) => retainPartners!.partner(batches.epochOf(step), index),
    refusal: (step, index) => refusalPartners!.partner(batches.epochOf(step), index),
    labelSeed: (step, chunk) => labels.seed64(step, chunk),
  };
}
