/**
 * PDU: forgetting under a bound on what is lost, by dual ascent.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { boundedCrossEntropy } from '../objectives/bounded-cross-entropy.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { numberSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';

export const pdu = defineMethod({
  name: 'pdu',
  summary: 'primal-dual unlearning: the retain term counts more for as long as its loss is above a bound',
  paper: 'Entesari et al. 2025, arXiv 2506.05314; open-unlearning (PDU)',
  formula: 'min over theta, max over lambda >= 0 of -log(1 - p / 2)(forget) + lambda * (CE(retain) - epsilon)',
  departures:
    'The paper flattens logits ((max - mean logit)^2) on the forget set, which needs more than token losses; here the bounded ' +
    'cross-entropy stands in its place. Lambda rises by dualStep * (CE(retain) - epsilon) after each step, from dualStart.',
  settings: {
    epsilon: numberSetting('bound of the retain loss, in nats a token', 0.05),
    dualStep: numberSetting('step size of the dual variable', 1),
    dualStart: numberSetting('dual variable at the beginning', 5),
  },
  advice: { forgetMore: { dualStart: 'lower' }, keepMore: { dualStart: 'raise' } },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 8e-6, sophia: 1.3e-5, 'soul-repo': 5e-6, sgd: 0.25 },
  terms: ({ epsilon, dualStep, dualStart }) => [
    { name: 'forget', source: targetSet, objective: boundedCrossEntropy },
    {
      name: 'retain',
      source: retainSet,
      objective: crossEntropy,
      coefficient: {
        initial: dualStart,
        next: (value, { losses }) => Math.max(0, value + dualStep * (losses.retain! - epsilon)),
      },
    },
  ],
});
