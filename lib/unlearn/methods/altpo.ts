/**
 * AltPO: alternate answers are preferred to what is to be forgotten.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { directPreference } from '../objectives/direct-preference.ts';
import { numberSetting } from '../setting.ts';
import { alternativePairs, alternativeSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const altpo = defineMethod({
  name: 'altpo',
  summary: 'alternate preference optimization: DPO towards alternate answers',
  paper: 'Mekala et al. 2024, arXiv 2409.13474; open-unlearning (AltPO)',
  formula:
    'L = dpo + alternateCoefficient * CE(alternate answers), an alternate of each question drawn anew in each epoch',
  departures:
    'The paper has the model itself make its alternates; so does --generate-alternatives, with a request in words of its own, or they ' +
    'come from a file (--alternatives), several for a question where it has them. open-unlearning has no cross-entropy on alternates: that is alternateCoefficient 0, the default.',
  settings: {
    forgetCoefficient,
    ...retainSettings,
    beta: numberSetting('how far the preference may move the model', 0.1, { lowExclusive: true }),
    alternateCoefficient: numberSetting('factor of the cross-entropy of alternate answers', 0),
  },
  runDefaults,
  advice,
  promises: { forget: 0.7, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 1.1e-5, 'soul-repo': 3.5e-6 },
  terms: ({ beta, alternateCoefficient, ...settings }) => [
    {
      name: 'forget',
      source: alternativePairs,
      objective: directPreference({ beta }),
      coefficient: settings.forgetCoefficient,
    },
    { name: 'alternate', source: alternativeSet, objective: crossEntropy, coefficient: alternateCoefficient },
    ...retainTerms(settings),
  ],
});
