/**
 * What the model says of each example before it changes: the reference that NPO and its kin compare with.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { TokenBatch, type TokenSequence } from '../model/token-batch.ts';

/**
 * -log p of every label token of every sequence, computed once, so that no second model need be held in memory.
 *
 * @throws SoulError SOUL_NON_FINITE when a likelihood is not finite
 * @returns for each sequence one value for each of its label tokens, in nats
 */
export async function referenceValues(
  model: DifferentiableLM,
  sequences: readonly TokenSequence[],
  batchSize: number,
): Promise<Float32Array[]> {
  const references: Float32Array[] = [];
  for (let begin = 0; begin < sequences.length; begin += batchSize) {
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
