/**
 * How much of an answer must be given before a model says the rest.
 *
 * @module
 */

import { checkNames } from '../../core/option-names.ts';
import { checkFlags } from './exact-memorization.ts';

/**
 * 1 - k / n for the smallest k such that all tokens from the k-th on are the model's most likely ones; from 0 to 1, 0 for no tokens.
 *
 * Carlini et al., "Extracting Training Data from Large Language Models", 2021; in this form Wang et al., "Towards Effective Evaluations
 * and Comparisons for LLM Unlearning Methods", 2024.
 *
 * @param isArgmax of each token, whether it is the most likely one; as `TokenScores.isArgmax`
 * @param options.atLeastOneToken counts the last token even where it is wrong, as open-unlearning does, whose figure is never below
 *   1 / n; default false
 */
export function extractionStrength(
  isArgmax: ArrayLike<number | boolean>,
  options: { readonly atLeastOneToken?: boolean } = {},
): number {
  checkNames('options', options, ['atLeastOneToken']);
  const { length } = checkFlags(isArgmax);
  if (length === 0) return 0;
  let start = length;
  while (start > 0 && isArgmax[start - 1]) start--;
  return 1 - (options.atLeastOneToken ? Math.min(start, length - 1) : start) / length;
}
