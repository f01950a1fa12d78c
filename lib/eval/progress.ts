/**
 * What the long-running metrics share: batches, progress and cancelling.
 *
 * @module
 */

import { type Cancellable, checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { batchParts } from '../model/batch-parts.ts';

export interface EvaluationProgress {
  /** What is being computed. */
  readonly phase: 'probability' | 'generation' | 'paraphrasedGeneration' | 'embedding';
  /** Examples that are finished. */
  readonly done: number;
  /** Examples in all. */
  readonly total: number;
}

export interface BatchedOptions extends Cancellable {
  /** Examples that the model sees at once; 8 by default. */
  batchSize?: number;
  /** Tokens that the model sees at once; an example that has more comes by itself. Default: no bound. */
  batchTokens?: number;
  /** What is computed, in words, for an error. Default `the evaluation`. */
  what?: string;
  /** Called after every batch. */
  onProgress?: (progress: EvaluationProgress) => void;
}

/** Names of {@link BatchedOptions}, for `checkNames`. */
export const batchedOptionNames = [
  'batchSize',
  'batchTokens',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof BatchedOptions)[];

/**
 * Runs `work` on batches of examples of like length, the longest first.
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
  const { batchSize = 8, batchTokens, what = 'the evaluation', onProgress, signal } = options;
  checkInteger('batchSize', batchSize);
  if (batchTokens !== undefined) checkInteger('batchTokens', batchTokens);
  checkSignal('signal', signal);
  const results = new Array<T>(lengths.length);
  let done = 0;
  const parts = batchParts(
    lengths.map((length) => [length]),
    { examples: batchSize, tokens: batchTokens },
  );
  for (const indices of parts) {
    throwIfCancelled(signal, `${what} was cancelled after ${done} of ${lengths.length} examples`, {
      phase,
      done,
      total: lengths.length,
    });
    const computed = await work(indices);
    for (const [i, index] of indices.entries()) results[index] = computed[i]!;
    done += indices.length;
    onProgress?.({ phase, done, total: lengths.length });
  }
  return results;
}
