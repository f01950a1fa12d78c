/**
 * Gradient ascent, with nothing that holds it back.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { gradientAscent } from '../objectives/gradient-ascent.ts';
import { targetSet } from '../source.ts';
import { forgetCoefficient } from './retain-terms.ts';

export const ascent = defineMethod({
  name: 'ascent',
  summary: 'gradient ascent on the forget set, nothing else',
  paper: 'Jang et al. 2022, arXiv 2210.01504',
  formula: 'L = -forgetCoefficient * CE(forget)',
  settings: { forgetCoefficient },
  promises: { property: 'the probability of the forget set falls by a third and more; nothing holds the rest' },
  learningRates: { adamw: 1.5e-6, sophia: 2.7e-6, 'soul-repo': 1e-6, sgd: 0.04 },
  terms: (settings) => [
    { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: settings.forgetCoefficient },
  ],
});
