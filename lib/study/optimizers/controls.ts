/**
 * Controls: Sophia's step with what is under test taken out of it.
 *
 * @module
 */

import type { StudyOptimizer } from '../definition/study.ts';

/**
 * What remains of Sophia without curvature: momentum that is clipped weight by weight. Most of its ratios are not far below 1, where those
 * with curvature have a long tail, so that its steps are nearer to sign descent's than to Sophia's: at Sophia's rate it is best at the low
 * end of the search.
 */
export const constantH: StudyOptimizer = {
  name: 'constant-h',
  text: 'control: Sophia with the same curvature 1 for every weight, 10 % of the weights clipped at the first step',
  optimizer: 'sophia',
  settings: { clippedFraction: 0.1 },
  curvature: { labels: 'none' },
  ratesOf: 'sign',
  searches: [],
};

/**
 * Whatever the curvature, a rho next to nothing clips every weight whose momentum is not 0, and the step is the sign of the
 * bias-corrected momentum. Its steps are as long as sign descent's, from which it differs by its decay rate alone.
 */
export const allClipped: StudyOptimizer = {
  name: 'all-clipped',
  text: 'control: Sophia with every weight clipped, the sign of its momentum',
  optimizer: 'sophia',
  settings: { rho: 1e-30, epsilon: 1e-30, momentumBiasCorrection: true },
  curvature: { labels: 'none' },
  ratesOf: 'sign',
  searches: [],
};
