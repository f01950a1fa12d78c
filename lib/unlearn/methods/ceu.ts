/**
 * CE-U: the model learns its own distribution, without what is to be forgotten.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { numberSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const ceu = defineMethod({
  name: 'ceu',
  summary: "cross-entropy unlearning: the model learns what it says itself where the answers' tokens are ruled out",
  paper: 'Yang 2025, arXiv 2503.01224; open-unlearning (CE-U)',
  formula:
    'L = forgetCoefficient * mean over label tokens of -sum [t] * log p + retainCoefficient * CE(retain), ' +
    "t = softmax of the model's own logits with the label's at -infinity, [] constant",
  departures:
    "open-unlearning leaves out each answer's first token; here every label token counts. Neither the paper nor it has a retain term; " +
    'nor has this unless retainCoefficient is set, which a run takes as other methods do.',
  settings: {
    forgetCoefficient,
    ...retainSettings,
    retainCoefficient: numberSetting('factor of the loss on what to keep; 0 leaves it out', 0),
  },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 8e-6, sophia: 2e-5, 'soul-repo': 5e-6 },
  terms: (settings) => [
    {
      name: 'forget',
      source: targetSet,
      objective: crossEntropy,
      quantity: { kind: 'target', from: 'self', shift: Number.NEGATIVE_INFINITY },
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});
