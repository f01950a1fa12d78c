/**
 * Cross-entropy, for fine-tuning, for keeping retain data, and for teaching refusals.
 *
 * @module
 */

import { type Objective, wholeCounts } from '../objective.ts';

/**
 * Mean of -log p(label) over all label tokens of the batch: what language models are trained with.
 *
 * With refusals as labels this is the forget term of preference optimization ("IDK" in TOFU, arXiv 2401.06121; "PO" in SOUL,
 * arXiv 2404.18239).
 */
export const crossEntropy: Objective = Object.assign(
  (tokens: Parameters<Objective>[0]) => {
    const weight = 1 / wholeCounts(tokens).tokens;
    let sum = 0;
    for (const value of tokens.values) sum += value;
    return { loss: sum * weight, weights: new Float32Array(tokens.values.length).fill(weight) };
  },
  { linear: true },
);
