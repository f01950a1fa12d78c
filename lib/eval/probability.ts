/**
 * How likely a model finds given answers.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { BatchedOptions } from './progress.ts';
import { scoreTokens } from './token-scores.ts';

export interface ExampleLikelihood {
  /** exp of minus the mean below, from 0 to 1: the geometric mean of the label tokens' probabilities. */
  readonly probability: number;
  /** Mean of -log p over the label tokens, in nats. */
  readonly meanNegativeLogLikelihood: number;
  /** How many label tokens there are. */
  readonly labelTokens: number;
}

/**
 * The probability of each example's label tokens, normalised by their number, as TOFU counts it (the end-of-text token is
 * a label when the examples were encoded with one).
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.1 (P(a|q)^(1/|a|)).
 *
 * @returns one for each example, in their order
 * @throws SoulError SOUL_NON_FINITE when the model gives NaN, SOUL_CANCELLED by `options.signal`
 */
export async function probability(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize'>,
  examples: readonly TokenSequence[],
  options: BatchedOptions = {},
): Promise<ExampleLikelihood[]> {
  const scored = await scoreTokens(model, examples, options);
  return scored.map(({ logProbability }) => likelihood(logProbability));
}

/** The likelihood of one answer from log p of its tokens, in nats. */
export function likelihood(logProbability: ArrayLike<number>): ExampleLikelihood {
  let sum = 0;
  for (let i = 0; i < logProbability.length; i++) sum += logProbability[i]!;
  // Not -0 of tokens that are certain.
  const meanNegativeLogLikelihood = 0 - sum / logProbability.length;
  return {
    probability: Math.exp(-meanNegativeLogLikelihood),
    meanNegativeLogLikelihood,
    labelTokens: logProbability.length,
  };
}

/**
 * How far a model is from a reference on the same examples: the mean over examples of |mean log p - mean log p of the
 * reference|, in nats a token. With a reference that never saw the forget set, 0 is what unlearning aims at.
 *
 * Where neither gives an example any probability, that example counts as 0.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT unless both have the same, positive number of examples
 */
export function distanceToReference(
  model: readonly Pick<ExampleLikelihood, 'meanNegativeLogLikelihood'>[],
  reference: readonly Pick<ExampleLikelihood, 'meanNegativeLogLikelihood'>[],
): number {
  if (model.length === 0) throw invalidArgument('model', 'the likelihoods of at least one example', model);
  if (model.length !== reference.length) {
    throw invalidArgument('reference', `the likelihoods of the same ${model.length} examples`, reference);
  }
  return mean(
    model.map(({ meanNegativeLogLikelihood: own }, i) => {
      const other = reference[i]!.meanNegativeLogLikelihood;
      return own === other ? 0 : Math.abs(own - other);
    }),
  );
}

/** The arithmetic mean, NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
