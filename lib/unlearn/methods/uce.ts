/**
 * Bounded cross-entropy on what is to be forgotten, cross-entropy on what is to be kept.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { boundedCrossEntropy } from '../objectives/bounded-cross-entropy.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const uce = defineMethod({
  name: 'uce',
  summary: 'bounded cross-entropy on the forget set, which stops by itself, cross-entropy on the retain set',
  paper: 'the unlearning cross-entropy of MOLLM, arXiv 2412.20412',
  formula: 'L = forgetCoefficient * mean over label tokens of -log(1 - p / 2) + retainCoefficient * CE(retain)',
  departures: 'The paper combines it with other terms by their gradients (mollm); here they are added.',
  settings: { forgetCoefficient, ...retainSettings },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 8e-6, sophia: 1.3e-5, 'soul-repo': 5e-6, sgd: 0.25 },
  terms: (settings) => [
    { name: 'forget', source: targetSet, objective: boundedCrossEntropy, coefficient: settings.forgetCoefficient },
    ...retainTerms(settings),
  ],
});
