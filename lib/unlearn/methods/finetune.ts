/**
 * Fine-tuning: what models learn with.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { targetSet } from '../source.ts';

export const finetune = defineMethod({
  name: 'finetune',
  summary: 'cross-entropy on the training set; what `soul train` runs',
  paper: 'what language models are trained with',
  formula: 'L = mean over label tokens of -log p',
  settings: {},
  promises: { property: 'the probability of the training set rises' },
  learningRates: { adamw: 1e-5, sophia: 2e-5, 'soul-repo': 7e-6 },
  terms: () => [{ name: 'train', source: targetSet, objective: crossEntropy }],
});
