/**
 * What the model says of each example before it changes: the reference that NPO and its kin compare with.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { checkSequences, TokenBatch, type TokenSequence } from '../model/token-batch.ts';

/**
 * -log p of every label token of every sequence, computed once, so that no second model need be held in memory.
 *
 * @throws SoulError SOUL_NON_FINITE when a likelihood is not finite, SOUL_CANCELLED by `options.signal`
 * @returns for each sequence one value for each of its label tokens, in nats
 */
export async function referenceValues(
  model: DifferentiableLM,
  sequences: readonly TokenSequence[],
  batchSize: number,
  options: Cancellable = {},
): Promise<Float32Array[]> {
  checkInteger('batchSize', batchSize);
  checkNames('options', options, ['signal']);
  checkSequences('sequences', sequences, model?.vocabularySize);
  const references: Float32Array[] = [];
  for (let begin = 0; begin < sequences.length; begin += batchSize) {
    throwIfCancelled(
      options.signal,
      `reference values were cancelled after ${begin} of ${sequences.length} sequences`,
      {
        done: begin,
        total: sequences.length,
      },
    );
    const { logProbability, offsets } = await model.score(TokenBatch.of(sequences.slice(begin, begin + batchSize)));
    for (let i = 0; i + 1 < offsets.length; i++) {
      const values = logProbability.slice(offsets[i], offsets[i + 1]).map((value) => -value);
      if (!values.every(Number.isFinite)) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the model gives sequence ${begin + i} a likelihood that is not finite; its weights may be damaged (\`soul eval\`)`,
          { sequence: begin + i },
        );
      }
      references.push(values);
    }
  }
  return references;
}
