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
  /** Of all turns together. */
  readonly stepsPerEpoch: number;
  /** Which turn a step belongs to, from 0; without turns all belong to one. */
  turn(step: number): number;
  /** The sequences of a source in a step of its turn, example after example: a new order each epoch, whose last batch may be smaller. */
  sequences(source: Source, step: number): TokenSequence[];
  /** Every sequence of a source that some step of its turn may draw. */
  all(source: Source, steps: number, turn: number): Iterable<TokenSequence>;
  /** The seed of the labels that a chunk of a curvature estimate samples. */
  labelSeed(step: number, chunk: number): bigint;
}

export interface DrawOptions {
  seed: bigint;
  /** Examples in the target set. */
  target: number;
  batchSize: number;
  pairing: 'fresh' | 'fixed';
  /** What the batches of each turn are drawn from; absent: one turn, of the target set. */
  turns?: readonly TurnDraws[];
}

export interface TurnDraws {
  readonly source: Pick<Source, 'size' | 'beside'>;
  /** Examples in a turn, rounded up to whole batches; absent: all. */
  readonly examples?: number;
  /** At most so many for each of the target set. */
  readonly perTarget?: number;
}

export function drawsOf({ seed, target, batchSize, pairing, turns: given }: DrawOptions): Draws {
  const all: readonly TurnDraws[] = given ?? [{ source: { size: target, beside: 'target' } }];
  const turns = all.map(({ source, examples, perTarget = Number.POSITIVE_INFINITY }) => {
    const { size, beside } = source;
    const purpose = beside === 'target' ? 'target order' : `order of ${beside.purpose}`;
    const batches = new BatchSampler({ size, batchSize, seed, purpose });
    const most = Math.min(examples ?? size, perTarget * target);
    const steps = Math.min(batches.stepsPerEpoch, Math.ceil(most / batches.batchSize));
    return { batches, steps, isOfTarget: beside === 'target' };
  });
  const stepsPerEpoch = turns.reduce((sum, { steps }) => sum + steps, 0);
  /** The turn that a step belongs to, and how many of this turn's steps come before it. */
  const placeOf = (step: number) => {
    let within = step % stepsPerEpoch;
    const turn = turns.findIndex(({ steps }) => {
      if (within < steps) return true;
      within -= steps;
      return false;
    });
    return { turn, own: Math.floor(step / stepsPerEpoch) * turns[turn]!.steps + within };
  };
  const samplers = new Map<string, PartnerSampler>();
  const draw = (epoch: number, index: number, purpose: string, size: number): number => {
    const key = `${purpose} ${size}`;
    const sampler = samplers.get(key) ?? new PartnerSampler({ size, pairing, seed, purpose });
    samplers.set(key, sampler);
    return sampler.partner(epoch, index);
  };
  const labels = randomStream(seed, 'curvature labels');
  const sequencesOf = (source: Source, epoch: number, index: number, isOwn: boolean): readonly TokenSequence[] => {
    const own: Draw = (purpose, size) => draw(epoch, index, purpose, size);
    const { beside } = source;
    return source.at(isOwn || beside === 'target' ? index : own(beside.purpose, source.size), own);
  };
  const batch = (source: Source, turn: number, own: number): TokenSequence[] => {
    const { batches, isOfTarget } = turns[turn]!;
    return [...batches.indices(own)].flatMap((index) => sequencesOf(source, batches.epochOf(own), index, !isOfTarget));
  };
  return {
    stepsPerEpoch,
    turn: (step) => placeOf(step).turn,
    sequences(source, step) {
      const { turn, own } = placeOf(step);
      return batch(source, turn, own);
    },
    *all(source, steps, turn) {
      const { batches, isOfTarget } = turns[turn]!;
      const own = Array.from({ length: steps }, (_, step) => placeOf(step)).filter((place) => place.turn === turn);
      if (own.length === 0) return;
      if (!isOfTarget) {
        for (const place of own) yield* batch(source, turn, place.own);
        return;
      }
      const epochs = pairing === 'fixed' ? 1 : batches.epochOf(own.at(-1)!.own) + 1;
      for (let index = 0; index < target; index++) {
        for (let epoch = 0; epoch < epochs; epoch++) yield* sequencesOf(source, epoch, index, false);
      }
    },
    labelSeed: (step, chunk) => labels.seed64(step, chunk),
  };
}
