/**
 * What a model thinks of each label token.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { DifferentiableLM, TokenScores } from '../model/contract.ts';
import { checkSequences, TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import { type BatchedOptions, batchedOptionNames, inBatches } from './progress.ts';

/** Figures of the label tokens of one sequence, as {@link TokenScores} has them. */
export type SequenceScores = Omit<TokenScores, 'offsets'>;

export interface ScoreTokensOptions extends BatchedOptions {
  /** Read after this layer, from 0, through the final norm and head; the last by default. */
  layer?: number;
}

/**
 * The figures of each sequence's label tokens.
 *
 * @returns one for each sequence, in their order
 * @throws SoulError SOUL_NON_FINITE when the model gives NaN, SOUL_CANCELLED by `options.signal`
 */
export async function scoreTokens(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize'>,
  examples: readonly TokenSequence[],
  options: ScoreTokensOptions = {},
): Promise<SequenceScores[]> {
  const { layer, ...batched } = options;
  checkNames('options', batched, batchedOptionNames);
  checkSequences('examples', examples, model?.vocabularySize);
  const lengths = examples.map((example) => example.tokens.length);
  return inBatches('probability', lengths, batched, async (indices) => {
    const batch = TokenBatch.of(indices.map((index) => examples[index]!));
    const scores = await model.score(batch, withoutUndefined({ signal: options.signal, layer }));
    return indices.map((index, i) => {
      const [from, to] = [scores.offsets[i]!, scores.offsets[i + 1]!];
      const logProbability = scores.logProbability.subarray(from, to);
      if (logProbability.some(Number.isNaN)) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the model gives NaN for a token of example ${index}; its weights are likely not finite`,
          { example: index },
        );
      }
      return {
        logProbability,
        isArgmax: scores.isArgmax.subarray(from, to),
        mean: scores.mean.subarray(from, to),
        variance: scores.variance.subarray(from, to),
      };
    });
  });
}
