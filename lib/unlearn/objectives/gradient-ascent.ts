/**
 * Gradient ascent: cross-entropy turned around.
 *
 * @module
 */

import type { Objective } from '../objective.ts';
import { crossEntropy } from './cross-entropy.ts';

/**
 * Minus the mean cross-entropy over all label tokens: minimising it makes the labels less likely, without bound.
 *
 * Source: Jang et al., arXiv 2210.01504; with a retain term it is GradDiff (TOFU, arXiv 2401.06121).
 */
export const gradientAscent: Objective = Object.assign(
  (tokens: Parameters<Objective>[0]) => {
    const { loss, weights } = crossEntropy(tokens);
    return { loss: -loss, weights: weights.map((weight) => -weight) };
  },
  { linear: true },
);
