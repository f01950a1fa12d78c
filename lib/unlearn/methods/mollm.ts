/**
 * MOLLM: forgetting as multi-objective optimization, along a direction in which no objective gets worse.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { minNorm } from '../rules/min-norm.ts';
import { flagSetting } from '../setting.ts';
import { retainSet } from '../source.ts';
import { forgetLossSetting, forgetTerm } from './forget-terms.ts';

export const mollm = defineMethod({
  name: 'mollm',
  summary: 'multi-objective: the common descent direction of forgetting and keeping',
  paper: 'Pan et al. 2024, arXiv 2412.20412',
  formula:
    'd = min-norm point of the hull of the gradients of -log(1 - p / 2)(forget), CE(retain) and, with kl, KL(starting model || model)(retain)',
  departures:
    'The equations are derived from the abstract and from related code of the first author, since the paper releases none. One Gram ' +
    'matrix over all weights, gradients of one length. The direction goes to the optimizer of the run: only plain gradient descent ' +
    'keeps the promise that no term rises to first order; Sophia and AdamW scale it weight by weight.',
  settings: {
    forgetLoss: forgetLossSetting('uce'),
    kl: flagSetting('a third term: the divergence from the starting model on the retain set'),
    normalised: flagSetting('whether gradients are brought to one length first', true),
  },
  promises: { forget: 0.5, retain: 0.9 },
  learningRates: { adamw: 3e-6, sophia: 4.4e-6, 'soul-repo': 2e-6, sign: 1.8e-6 },
  terms: ({ forgetLoss, kl }) => [
    forgetTerm(forgetLoss, 1),
    { name: 'retain', source: retainSet, objective: crossEntropy },
    ...(kl ? [{ name: 'kl', source: retainSet, objective: crossEntropy, quantity: 'kl' as const }] : []),
  ],
  rule: ({ normalised }) => minNorm({ normalised }),
});
