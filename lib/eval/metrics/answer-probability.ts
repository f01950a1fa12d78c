/**
 * Probabilities of answers, from their mean losses.
 *
 * @module
 */

import { checkInteger } from '../../core/checks.ts';
import { invalidArgument } from '../../core/errors.ts';
import { checkLoss, checkNonNegative } from './check-values.ts';

/**
 * The probability of an answer, normalised by its length: p(answer | question)^(1 / tokens), from 0 to 1.
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.1.
 *
 * @param meanLoss mean of -log p over the answer's tokens, in nats, from 0 to infinity
 */
export function answerProbability(meanLoss: number): number {
  return Math.exp(-checkLoss('meanLoss', meanLoss));
}

/**
 * The share of the right answer in the length-normalised probabilities of all answers given, from 0 to 1. NaN where all of them
 * have a probability of 0 and `epsilon` is 0.
 *
 * Maini et al., as above: how TOFU asks for what a model should still know of real authors and of the world.
 *
 * @param rightLoss mean of -log p over the right answer's tokens, in nats
 * @param wrongLosses the same of each wrong answer
 * @param epsilon added to the sum, as open-unlearning does; default 0
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function probabilityAgainstWrong(rightLoss: number, wrongLosses: ArrayLike<number>, epsilon = 0): number {
  checkLoss('rightLoss', rightLoss);
  const losses = checkNonNegative('wrongLosses', wrongLosses);
  // By the likeliest one, so that no sum of tiny probabilities is 0; the epsilon is of the probabilities themselves.
  const smallest = epsilon === 0 ? losses.reduce((least, loss) => Math.min(least, loss), rightLoss) : 0;
  const right = Math.exp(smallest - rightLoss);
  return right / (losses.reduce((sum, loss) => sum + Math.exp(smallest - loss), right) + epsilon);
}

/**
 * Perplexity of a set of answers: exp of the mean of -log p over all their tokens together; infinite where a token has no probability.
 *
 * Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.
 *
 * @param answers mean loss in nats and number of tokens of each
 * @throws SoulError SOUL_INVALID_ARGUMENT without a token
 */
export function perplexity(answers: readonly { readonly meanLoss: number; readonly tokens: number }[]): number {
  if (!Array.isArray(answers)) throw invalidArgument('answers', 'an array', answers);
  let [total, tokens] = [0, 0];
  for (const [i, answer] of answers.entries()) {
    checkLoss(`answers[${i}].meanLoss`, answer.meanLoss);
    checkInteger(`answers[${i}].tokens`, answer.tokens, { low: 0 });
    total += answer.tokens === 0 ? 0 : answer.meanLoss * answer.tokens;
    tokens += answer.tokens;
  }
  if (!(tokens > 0)) throw invalidArgument('answers', 'at least one token', answers);
  return Math.exp(total / tokens);
}
