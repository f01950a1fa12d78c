/**
 * What a model would answer if it ended at an earlier layer.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import { mean } from './probability.ts';
import type { BatchedOptions } from './progress.ts';
import { scoreTokens } from './token-scores.ts';

/**
 * The logit lens: of each sequence, for each layer, the mean log-probability of its label tokens in nats, with logits read from the hidden
 * states after the layer through the model's own final norm and head. The last layer's is the ordinary one.
 *
 * nostalgebraist, "interpreting GPT: the logit lens", 2020; on unlearned models as a sign of what is left of an answer below the
 * output: "Measuring the Depth of LLM Unlearning via Activation Patching" (gnueaj/unlearning-depth-score). Each layer is a
 * forward pass up to it, all together about half as many passes as there are layers.
 *
 * @returns one for each sequence, in their order, with a number for each layer
 * @throws SoulError SOUL_UNSUPPORTED for a model that has no hidden states to read; of {@link scoreTokens}
 */
export async function logitLens(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize' | 'hiddenStates'>,
  examples: readonly TokenSequence[],
  options: BatchedOptions = {},
): Promise<number[][]> {
  const { hiddenStates } = model;
  if (hiddenStates === undefined) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      'this model does not give its hidden states, which the logit lens reads (hiddenStates)',
    );
  }
  const found = examples.map((): number[] => []);
  for (let layer = 0; layer < hiddenStates.layers; layer++) {
    const scores = await scoreTokens(model, examples, { ...options, layer });
    for (const [i, { logProbability }] of scores.entries()) found[i]!.push(mean([...logProbability]));
  }
  return found;
}
