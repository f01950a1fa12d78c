/**
 * WGA and SatImp: ascent whose tokens count by how well the model knows them.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { weightedAscent } from '../objectives/weighted-ascent.ts';
import { numberSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

const departures =
  "open-unlearning weighs by the label's probability and leaves the weight out of the derivative; so does this. Its mean runs over " +
  'label tokens.';

export const wga = defineMethod({
  name: 'wga',
  summary: 'weighted gradient ascent: tokens that are forgotten already count less',
  paper: 'Wang et al. 2025, arXiv 2502.19301; open-unlearning (WGA)',
  formula:
    'L = -forgetCoefficient * mean over label tokens of [p^beta] * -log p + retainCoefficient * CE(retain), [] constant',
  departures,
  settings: {
    forgetCoefficient,
    ...retainSettings,
    beta: numberSetting('exponent of the probability: the larger, the sooner it lets go', 1),
  },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 8e-6, sophia: 1.2e-5, 'soul-repo': 5e-6, sgd: 0.25 },
  terms: ({ beta, ...settings }) => [
    {
      name: 'forget',
      source: targetSet,
      objective: weightedAscent({ known: beta }),
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});

export const satimp = defineMethod({
  name: 'satimp',
  summary: 'ascent by saturation and importance: tokens that are forgotten, or that the model is sure of, count less',
  paper: 'Yang et al. 2025, arXiv 2505.11953; open-unlearning (SatImp)',
  formula:
    'L = -forgetCoefficient * mean over label tokens of [p^beta1 * (1 - p)^beta2] * -log p + retainCoefficient * CE(retain), [] constant',
  departures,
  settings: {
    forgetCoefficient: numberSetting('factor of the loss on what to forget', 0.1),
    ...retainSettings,
    beta1: numberSetting('exponent of the probability', 5),
    beta2: numberSetting('exponent of what is left of it', 1),
  },
  advice,
  promises: {
    property:
      'of answers that a model is all but sure of it takes little: p^5 * (1 - p) is small at both ends; the retain set is kept',
  },
  learningRates: { adamw: 1.6e-5, sophia: 1.3e-5, 'soul-repo': 1e-5, sign: 8e-6, sgd: 0.3 },
  terms: ({ beta1, beta2, ...settings }) => [
    {
      name: 'forget',
      source: targetSet,
      objective: weightedAscent({ known: beta1, unsure: beta2 }),
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});
