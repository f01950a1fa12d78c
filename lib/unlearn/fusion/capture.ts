/**
 * The Gram matrices of what enters a model's unlearning layers, over a data set.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { checkInteger } from '../../core/checks.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { bottleneckNames } from '../../model/adapter/unlearning-layers.ts';
import { batchParts } from '../../model/batch-parts.ts';
import type { BottleneckInputs } from '../../model/contract.ts';
import { checkSequences, TokenBatch, type TokenSequence } from '../../model/token-batch.ts';
import { addMatrix, emptyGram, type Gram } from './gram.ts';

/** A model that has unlearning layers. */
export interface BottleneckModel {
  readonly vocabularySize: number;
  /** Of each layer. */
  bottleneckInputs(batch: TokenBatch, options?: Cancellable): Promise<readonly BottleneckInputs[]>;
}

export interface CaptureOptions extends Cancellable {
  /** Sequences in memory at a time. Default 8. */
  microBatchSize?: number;
  /** Tokens in memory at a time; a longer sequence comes by itself. Default: no bound. */
  batchTokens?: number;
  onProgress?: (done: number, total: number) => void;
}

/**
 * Runs the model over all sequences. Inputs are those of the tokens before each sequence's last label, in the last layer of those that
 * predict labels: where a pass ends, nothing else is ever read of them.
 *
 * @returns by the names of the matrices that read the inputs, D's and U's of each layer
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NON_FINITE where the model's hidden states are not finite; SOUL_CANCELLED; the model's own
 */
export async function captureGrams(
  model: BottleneckModel,
  sequences: readonly TokenSequence[],
  options: CaptureOptions = {},
): Promise<Map<string, Gram>> {
  checkNames('options', options, ['microBatchSize', 'batchTokens', 'signal', 'onProgress']);
  const { microBatchSize = 8, batchTokens, signal, onProgress } = options;
  checkInteger('microBatchSize', microBatchSize);
  if (batchTokens !== undefined) checkInteger('batchTokens', batchTokens);
  checkSequences('sequences', sequences, model?.vocabularySize);
  const grams = new Map<string, Gram>();
  const add = (name: string, matrix: Float64Array) => {
    const gram = grams.get(name) ?? emptyGram(Math.sqrt(matrix.length));
    addMatrix(gram, matrix);
    grams.set(name, gram);
  };
  let done = 0;
  const total = sequences.length;
  const lengths = sequences.map(({ tokens }) => [tokens.length]);
  for (const part of batchParts(lengths, { examples: microBatchSize, tokens: batchTokens })) {
    throwIfCancelled(signal, `summing inputs was cancelled after ${done} of ${total} sequences`, { done, total });
    const batch = TokenBatch.of(part.map((index) => sequences[index]!));
    for (const [layer, { down, up }] of (await model.bottleneckInputs(batch, withoutUndefined({ signal }))).entries()) {
      const names = bottleneckNames(layer);
      add(names.down, down);
      add(names.up, up);
    }
    done += part.length;
    onProgress?.(done, total);
  }
  return grams;
}
