/**
 * GRU: gradient rectified unlearning.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { gradientRectified } from '../rules/projection.ts';
import { numberSetting } from '../setting.ts';
import { forgetLossSetting, forgetTerm } from './forget-terms.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const gru = defineMethod({
  name: 'gru',
  summary: 'gradient rectified: what would raise the retain loss is taken out of the forget gradient',
  paper: 'Wang et al. 2025, arXiv 2503.09117',
  formula:
    'g = f + max(0, -f.a / a.a) a + r, with a <- decay * a + (1 - decay) * r the running mean of the retain gradient r',
  departures:
    'The released code projects on the CPU in float64 and can clip the cosine; here inner products are summed in float64 where the ' +
    'gradients lie. Its ce coefficient is retainCoefficient.',
  settings: {
    forgetLoss: forgetLossSetting('npo'),
    forgetCoefficient,
    ...retainSettings,
    decay: numberSetting('share of the running mean that stays at each step', 0.2, { high: 1, highExclusive: true }),
  },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 3.5e-6, sophia: 7e-6, 'soul-repo': 2.5e-6 },
  terms: ({ forgetLoss, ...settings }) => [
    forgetTerm(forgetLoss, settings.forgetCoefficient),
    ...retainTerms(settings),
  ],
  // Of weight 0 the retain term is left out, and with it what there is to protect.
  rule: ({ decay, retainCoefficient }) =>
    retainCoefficient > 0 ? gradientRectified('forget', 'retain', { decay }) : undefined,
});
