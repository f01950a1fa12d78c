/**
 * Preference optimization by refusals: the model learns to say that it does not know.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { refusalSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const po = defineMethod({
  name: 'po',
  summary: 'preference optimization: refusals for the forget set, cross-entropy on the retain set',
  paper: 'TOFU ("IDK"), arXiv 2401.06121; SOUL, arXiv 2404.18239',
  formula: 'L = forgetCoefficient * CE(refusals to forget questions) + retainCoefficient * CE(retain)',
  departures:
    'TOFU takes one token mean over refusals and retain answers together, in which the longer answers dominate; here each has its own ' +
    "mean. SOUL's refusals have no end-of-text token and the attention mask of the original answer; here they end as answers do.",
  settings: { forgetCoefficient, ...retainSettings },
  runDefaults,
  advice,
  promises: { property: 'greedy answers to the forget set are no longer the old ones, and the retain set is kept' },
  learningRates: { adamw: 2e-5, sophia: 3.6e-5, 'soul-repo': 1.4e-5, sign: 9e-6, sgd: 0.2 },
  terms: (settings) => [
    { name: 'forget', source: refusalSet, objective: crossEntropy, coefficient: settings.forgetCoefficient },
    ...retainTerms(settings),
  ],
});
