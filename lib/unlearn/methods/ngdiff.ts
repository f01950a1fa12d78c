/**
 * NGDiff: the difference of normalised gradients.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { normalisedDifference } from '../rules/normalised-difference.ts';
import { forgetLossSetting, forgetTerm } from './forget-terms.ts';
import { retainSettings, retainTerms } from './retain-terms.ts';

export const ngdiff = defineMethod({
  name: 'ngdiff',
  summary: 'normalised difference: forget and retain gradient have the same length',
  paper: 'Bu et al. 2024, arXiv 2410.22086',
  formula: 'g = (r / |r| - f / |f|) * |r - f|, f the gradient of the loss that is to rise',
  departures:
    'The factor |r - f| keeps the meaning of learning rate and clipping; the paper adapts the learning rate automatically (GeN), which ' +
    'runs here do not. A coefficient acts before the rule and so is of no effect: there is none.',
  settings: { forgetLoss: forgetLossSetting('ascent'), retainLoss: retainSettings.retainLoss },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 3e-6, sophia: 5e-6, 'soul-repo': 2e-6, sgd: 0.05 },
  terms: ({ forgetLoss, retainLoss }) => [
    forgetTerm(forgetLoss, 1),
    ...retainTerms({ retainCoefficient: 1, retainLoss }),
  ],
  rule: () => normalisedDifference(),
});
