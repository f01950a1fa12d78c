/**
 * GradDiff: ascent on what is to be forgotten, descent on what is to be kept.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { gradientAscent } from '../objectives/gradient-ascent.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const graddiff = defineMethod({
  name: 'graddiff',
  summary: 'gradient ascent on the forget set, cross-entropy on the retain set',
  paper: 'Liu et al. 2022, arXiv 2203.12817; TOFU, arXiv 2401.06121',
  formula: 'L = -forgetCoefficient * CE(forget) + retainCoefficient * CE(retain)',
  settings: { forgetCoefficient, ...retainSettings },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  // At the rate that sgd takes by itself, 0.05, the demo's model forgets but a quarter.
  learningRates: { adamw: 6e-6, sophia: 9e-6, 'soul-repo': 3.5e-6, sgd: 0.085 },
  terms: (settings) => [
    { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: settings.forgetCoefficient },
    ...retainTerms(settings),
  ],
});
