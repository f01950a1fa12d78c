/**
 * Cross-entropy for forgetting, with a bound on both sides.
 *
 * @module
 */

import { type Objective, wholeCounts } from '../objective.ts';

/**
 * Mean over label tokens of -log(1 - p / 2): 0 where the model has forgotten, log 2 where it is sure. Its slope by -log p,
 * -p / (2 - p), goes to 0 with p, so that it stops by itself.
 *
 * Source: the "unlearning cross-entropy" of MOLLM, arXiv 2412.20412, and of its first author's FedOSD.
 */
export const boundedCrossEntropy: Objective = (tokens) => {
  const weight = 1 / wholeCounts(tokens).tokens;
  let loss = 0;
  const weights = tokens.values.map((nll) => {
    const p = Math.exp(-nll);
    loss -= Math.log1p(-p / 2) * weight;
    return (-p / (2 - p)) * weight;
  });
  return { loss, weights };
};
