/**
 * What a run measures of its sets before and after: the probability of their answers.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import type { EncodedExample } from '../data/encode.ts';
import { mean, probability } from '../eval/probability.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import type { RunSets } from './data-sets.ts';

/** Figures of a set at one moment. */
export interface MeasuredSet {
  readonly examples: number;
  /** Mean of the answers' length-normalised probability. */
  readonly probability: number;
}

export interface MeasuredSets {
  readonly target: MeasuredSet;
  readonly retain?: MeasuredSet;
}

/** Probability of the answers of one set before and after a run. */
export interface BeforeAndAfter {
  examples: number;
  before: number;
  after: number;
}

/** Figures of both sets. */
export interface Evaluation {
  target: BeforeAndAfter;
  retain?: BeforeAndAfter;
}

/**
 * Measures the first answers of each set.
 *
 * @param options.limit examples of each set; 0 measures nothing
 * @returns undefined where nothing is measured
 */
export async function measureSets(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize'>,
  sets: Pick<RunSets, 'target' | 'retain'>,
  options: {
    limit: number;
    batchSize: number;
    batchTokens?: number | undefined;
    signal?: AbortSignal | undefined;
    onProgress?: ((done: number, total: number) => void) | undefined;
  },
): Promise<MeasuredSets | undefined> {
  const { limit, batchSize, batchTokens, signal, onProgress } = options;
  if (limit === 0) return undefined;
  const target = sets.target.encoded.slice(0, limit);
  const retain = sets.retain?.encoded.slice(0, limit);
  const total = target.length + (retain?.length ?? 0);
  const measure = async (encoded: EncodedExample[], doneBefore: number): Promise<MeasuredSet> => {
    const items = await probability(model, encoded, {
      batchSize,
      ...withoutUndefined({ batchTokens, signal }),
      onProgress: ({ done }) => onProgress?.(doneBefore + done, total),
    });
    return { examples: items.length, probability: mean(items.map((item) => item.probability)) };
  };
  const measured = await measure(target, 0);
  return { target: measured, ...(retain ? { retain: await measure(retain, target.length) } : {}) };
}

/** Two measurements, set by set. */
export function beforeAndAfter(before: MeasuredSets, after: MeasuredSets): Evaluation {
  const pair = (one: MeasuredSet, other: MeasuredSet) => ({
    examples: one.examples,
    before: one.probability,
    after: other.probability,
  });
  return {
    target: pair(before.target, after.target),
    ...(before.retain && after.retain ? { retain: pair(before.retain, after.retain) } : {}),
  };
}
