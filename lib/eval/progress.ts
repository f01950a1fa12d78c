/**
 * What the long-running metrics share: batches, progress and cancelling.
 *
 * @module
 */

import { type Cancellable, checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';

export interface EvaluationProgress {
  /** What is being computed. */
  readonly phase: 'probability' | 'generation';
  /** Examples that are finished. */
  readonly done: number;
  /** Examples in all. */
  readonly total: number;
}

export interface BatchedOptions extends Cancellable {
  /** Examples that the model sees at once; 8 by default. */
  batchSize?: number;
  /** Called after every batch. */
  onProgress?: (progress: EvaluationProgress) => void;
}

/** Names of {@link BatchedOptions}, for `checkNames`. */
export const batchedOptionNames = [
  'batchSize',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof BatchedOptions)[];

/**
 * Runs `work` on batches of examples of like length, longest first so that memory peaks at the start.
 *
 * @param lengths the length of every example
 * @param work takes indices of examples, gives one result for each
 * @returns results in the order of the examples
 */
export async function inBatches<T>(
  phase: EvaluationProgress['phase'],
  lengths: readonly number[],
  options: BatchedOptions,
  work: (indices: readonly number[]) => Promise<readonly T[]>,
): Promise<T[]> {
  const { batchSize = 8, onProgress, signal } = options;
  checkInteger('batchSize', batchSize);
  checkSignal('signal', signal);
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const results = new Array<T>(lengths.length);
  for (let start = 0; start < order.length; start += batchSize) {
    throwIfCancelled(signal, `the evaluation was cancelled after ${start} of ${order.length} examples`, {
      phase,
      done: start,
      total: order.length,
    });
    const indices = order.slice(start, start + batchSize);
    const computed = await work(indices);
    for (const [i, index] of indices.entries()) results[index] = computed[i]!;
    onProgress?.({ phase, done: start + indices.length, total: order.length });
  }
  return results;
}
