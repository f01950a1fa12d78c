/**
 * One figure of what a model still knows.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkNonNegative, isNumberArray } from './check-values.ts';

/**
 * The harmonic mean of nine figures, each from 0 to 1: probability, ROUGE-L recall and truth ratio of the retain set, of real authors
 * and of world facts. One that is 0 makes it 0.
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.1.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT unless there are nine, none negative
 */
export function modelUtility(figures: ArrayLike<number>): number {
  if (!isNumberArray(figures) || figures.length !== 9) throw invalidArgument('figures', 'nine numbers', figures);
  return harmonicMean(figures);
}

/** The harmonic mean of numbers of at least 0; 0 where one is. */
export function harmonicMean(values: ArrayLike<number>): number {
  const numbers = checkNonNegative('values', values);
  return numbers.length / numbers.reduce((sum, value) => sum + 1 / value, 0);
}
