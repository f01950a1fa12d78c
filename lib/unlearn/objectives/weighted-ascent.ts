/**
 * Gradient ascent whose tokens count by how well the model knows them: WGA and SatImp.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Objective, wholeCounts } from '../objective.ts';

export interface WeightedAscentOptions {
  /** Exponent of p, the probability of a label: tokens that are forgotten already count less. Default 1, WGA's. */
  known?: number;
  /** Exponent of 1 - p: tokens that the model is sure of count less. Default 0. */
  unsure?: number;
}

/**
 * -mean over label tokens of w * -log p with w = p^known * (1 - p)^unsure, a weight that the derivative does not go through.
 *
 * Source: WGA, Wang et al., arXiv 2502.19301 (known alone); SatImp, Yang et al., arXiv 2505.11953 (both).
 */
export function weightedAscent(options: WeightedAscentOptions = {}): Objective {
  checkNames('options', options, ['known', 'unsure']);
  const { known = 1, unsure = 0 } = options;
  for (const [name, value] of Object.entries({ known, unsure })) {
    if (!(Number.isFinite(value) && value >= 0)) throw invalidArgument(name, 'a finite number of at least 0', value);
  }
  return (tokens) => {
    const scale = 1 / wholeCounts(tokens).tokens;
    let loss = 0;
    const weights = tokens.values.map((nll) => {
      const weight = Math.exp(-known * nll) * (unsure === 0 ? 1 : (-Math.expm1(-nll)) ** unsure) * scale;
      loss -= weight * nll;
      return -weight;
    });
    return { loss, weights };
  };
}
