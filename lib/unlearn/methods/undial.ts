/**
 * UNDIAL: the starting model is the teacher, with the logits of what is to be forgotten turned down.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { numberSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const undial = defineMethod({
  name: 'undial',
  summary: "self-distillation: the model learns what the starting model says with the answers' logits turned down",
  paper: 'Dong et al. 2024, arXiv 2402.10052; open-unlearning (UNDIAL)',
  formula:
    'L = forgetCoefficient * mean over label tokens of -sum t * log p + retainCoefficient * CE(retain), ' +
    't = softmax(logits of the starting model - beta * onehot(label))',
  departures:
    "open-unlearning's mean runs over all positions, the prompt's and the padding's too, whose label of -100 turns down the logit of the " +
    "vocabulary's hundredth token from its end; here it runs over label tokens. It has no retain term unless alpha is set; nor has this " +
    'unless retainCoefficient is, which a run takes as other methods do.',
  settings: {
    forgetCoefficient,
    ...retainSettings,
    retainCoefficient: numberSetting('factor of the loss on what to keep; 0 leaves it out', 0),
    beta: numberSetting("how far the answers' logits are turned down", 10),
  },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 8e-6, sophia: 1.3e-5, 'soul-repo': 5e-6 },
  terms: ({ beta, ...settings }) => [
    {
      name: 'forget',
      source: targetSet,
      objective: crossEntropy,
      quantity: { kind: 'target', from: 'start', shift: -beta },
      coefficient: settings.forgetCoefficient,
    },
    ...retainTerms(settings),
  ],
});
