/**
 * Normalised differences: each term has the same say, whatever the length of its gradient.
 *
 * @module
 */

import type { GradientRule } from '../gradient-rule.ts';
import { gradientNorms } from './gradient-norms.ts';

/**
 * Gradients of length 1, summed, times the length of their plain sum. The forget term's gradient is that of minus its loss, so this is
 * g_r / |g_r| - g_f / |g_f| in the paper's signs.
 *
 * Source: NGDiff, Bu et al., arXiv 2410.22086; the factor is ours, so that learning rates and clipping mean what they do elsewhere.
 */
export function normalisedDifference(): GradientRule {
  return {
    name: 'ngdiff',
    combine(products) {
      const total = products.flat().reduce((sum, each) => sum + each, 0);
      const length = Math.sqrt(Math.max(total, 0));
      return gradientNorms(products).map((norm) => (norm > 0 ? length / norm : 0));
    },
  };
}
