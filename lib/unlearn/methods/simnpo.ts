/**
 * SimNPO: NPO without a reference model, normalised by length.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { simpleNegativePreference } from '../objectives/simple-negative-preference.ts';
import { numberSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import { advice, retainSettings, retainTerms } from './retain-terms.ts';

export const simnpo = defineMethod({
  name: 'simnpo',
  summary: 'NPO without a reference model, by the mean over tokens',
  paper: 'Fan et al. 2024, arXiv 2410.07163',
  formula:
    'L = -forgetCoefficient * (2 / beta) * mean over answers of log sigmoid(beta * (nll / tokens - margin)) + retainCoefficient * CE(retain)',
  departures:
    "The margin stands inside beta, as in the authors' code; the paper's gamma is beta * margin. Their 0.125 is on the forget term, " +
    'as in their code, not on the retain term, as their model cards print it.',
  settings: {
    forgetCoefficient: numberSetting('factor of the loss on what to forget', 0.125),
    ...retainSettings,
    beta: numberSetting('how sharply it lets go of what is forgotten', 4.5, { lowExclusive: true }),
    margin: numberSetting('nats a token from which an answer counts as forgotten', 0, {
      low: Number.NEGATIVE_INFINITY,
    }),
  },
  advice,
  promises: { forget: 0.6, retain: 0.8 },
  learningRates: { adamw: 1e-5, sophia: 1.4e-5, 'soul-repo': 7e-6, sgd: 0.35 },
  terms: ({ beta, margin, ...settings }) => [
    {
      name: 'forget',
      source: targetSet,
      objective: simpleNegativePreference({ beta, margin }),
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});
