/**
 * How likely wrong answers are beside the right one.
 *
 * @module
 */

import { checkChoice, checkNumber } from '../../core/checks.ts';
import { checkNames } from '../../core/option-names.ts';
import { checkLoss, checkNonNegative } from './check-values.ts';

export interface TruthRatioOptions {
  /** Mean of the wrong answers' probabilities; 'geometric' (default), or 'arithmetic', as the paper's formula has it. */
  mean?: 'geometric' | 'arithmetic';
  /** Added to the right answer's probability, as some projects do against a division by 0; default 0. */
  epsilon?: number;
}

/**
 * log R of the truth ratio R = mean of the wrong answers' probabilities / the right answer's, each normalised by its length. Above 0
 * the model prefers what is wrong. NaN where both sides have a probability of 0.
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.1, with the right answer paraphrased and the wrong
 * ones in its form. The paper's mean is arithmetic; the figures that the project aggregates are of the geometric one.
 *
 * @param rightLoss mean of -log p over the tokens of the right answer, in nats, from 0 to infinity
 * @param wrongLosses the same of each wrong answer
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function logTruthRatio(
  rightLoss: number,
  wrongLosses: ArrayLike<number>,
  options: TruthRatioOptions = {},
): number {
  checkNames('options', options, ['mean', 'epsilon']);
  const { mean = 'geometric', epsilon = 0 } = options;
  checkChoice('mean', mean, ['geometric', 'arithmetic']);
  checkNumber('epsilon', epsilon);
  checkLoss('rightLoss', rightLoss);
  const losses = checkNonNegative('wrongLosses', wrongLosses);
  const wrong = mean === 'geometric' ? -sum(losses) / losses.length : logMeanExponential(losses);
  const right = epsilon === 0 ? -rightLoss : Math.log(Math.exp(-rightLoss) + epsilon);
  return wrong - right;
}

/**
 * How near to 1 a truth ratio is: min(R, 1/R), from 0 to 1, as a forget set is scored: who knows neither answer prefers none.
 *
 * @param epsilon added to R in 1/R, as open-unlearning does; default 0
 */
export function nearnessToOne(logRatio: number, epsilon = 0): number {
  if (epsilon === 0) return Math.exp(-Math.abs(logRatio));
  const ratio = Math.exp(logRatio);
  return Math.min(ratio, 1 / (ratio + epsilon));
}

/** How much likelier the right answer is: max(0, 1 - R), as sets are scored that are to be known. */
export function preferenceForTruth(logRatio: number): number {
  return Math.max(0, -Math.expm1(logRatio));
}

/** log of the mean of exp(-loss). */
function logMeanExponential(losses: readonly number[]): number {
  const smallest = losses.reduce((least, loss) => Math.min(least, loss));
  if (smallest === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  return Math.log(sum(losses.map((loss) => Math.exp(smallest - loss))) / losses.length) - smallest;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
