/**
 * Optimizers that know no curvature.
 *
 * @module
 */

import type { StudyOptimizer } from '../definition/study.ts';

export const adamw: StudyOptimizer = {
  name: 'adamw',
  text: 'AdamW, first order',
  optimizer: 'adamw',
  settings: {},
  curvature: {},
  searches: [],
};

export const sign: StudyOptimizer = {
  name: 'sign',
  text: 'sign descent with momentum: every weight moves by the learning rate',
  optimizer: 'sign',
  settings: {},
  curvature: {},
  searches: [],
};

export const sgd: StudyOptimizer = {
  name: 'sgd',
  text: 'gradient descent with momentum',
  optimizer: 'sgd',
  settings: {},
  curvature: {},
  searches: [],
};

/** SOUL's published code (arXiv 2404.18239), which descends by the sign nearly everywhere. */
export const soulRepo: StudyOptimizer = {
  name: 'soul-repo',
  text: "Sophia as SOUL's repository runs it: the squared gradient as its estimate, nearly every weight clipped",
  optimizer: 'soul-repo',
  settings: {},
  curvature: {},
  searches: [],
};

/** As the paper has it (arXiv 2305.17333): plain descent on the estimate. */
export const mezo: StudyOptimizer = {
  name: 'mezo',
  text: 'MeZO, zeroth order: plain descent on gradients estimated from losses along random directions',
  optimizer: 'sgd',
  settings: { momentum: 0 },
  curvature: {},
  inside: 'mezo',
  searches: [],
};
