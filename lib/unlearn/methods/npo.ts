/**
 * NPO: gradient ascent that slows down as the model forgets.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { negativePreference } from '../objectives/negative-preference.ts';
import { choiceSetting, numberSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const npo = defineMethod({
  name: 'npo',
  summary: 'negative preference optimization on the forget set, cross-entropy on the retain set',
  paper: 'Zhang et al. 2024, arXiv 2404.05868',
  formula:
    'L = -forgetCoefficient * (2 / beta) * mean over answers of log sigmoid(beta * (nll - nll of the starting model))' +
    ' + retainCoefficient * CE(retain)',
  departures:
    "SOUL's code takes the mean over an answer's tokens for nll (reduction mean), which makes the same beta weaker by its length.",
  settings: {
    forgetCoefficient,
    ...retainSettings,
    beta: numberSetting('how soon it lets go of what is forgotten already; near 0 it is plain ascent', 0.1, {
      lowExclusive: true,
    }),
    reduction: choiceSetting("an answer's nll is its tokens' sum or mean", ['sum', 'mean'], 'sum'),
  },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 6e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  terms: ({ beta, reduction, ...settings }) => [
    {
      name: 'forget',
      source: targetSet,
      objective: negativePreference({ beta, reduction }),
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});
