/**
 * PCGrad: conflicting gradients are projected onto each other's plane.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { projectConflicts } from '../rules/projection.ts';
import { forgetLossSetting, forgetTerm } from './forget-terms.ts';
import { advice, forgetCoefficient, retainSettings, retainTerms, runDefaults } from './retain-terms.ts';

export const pcgrad = defineMethod({
  name: 'pcgrad',
  summary: 'projected conflicts: each gradient loses what points against the other',
  paper: 'Yu et al. 2020, arXiv 2001.06782',
  formula: 'g = f - min(0, f.r) / r.r * r + r - min(0, f.r) / f.f * f',
  departures: 'With two terms the order in which the paper projects does not matter.',
  settings: { forgetLoss: forgetLossSetting('npo'), forgetCoefficient, ...retainSettings },
  runDefaults,
  advice,
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 3e-6, sophia: 7e-6, 'soul-repo': 2e-6 },
  terms: ({ forgetLoss, ...settings }) => [
    forgetTerm(forgetLoss, settings.forgetCoefficient),
    ...retainTerms(settings),
  ],
  rule: () => projectConflicts(),
});
