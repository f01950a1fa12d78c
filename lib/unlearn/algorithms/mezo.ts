/**
 * MeZO: descent on gradients that are estimated from losses along random directions.
 *
 * @module
 */

import { defineAlgorithm } from '../algorithm.ts';
import { innerMethod, innerMethodOf } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { integerSetting, numberSetting } from '../setting.ts';
import { checkDifferences } from '../zeroth-order/differences.ts';
import { alongDirections } from '../zeroth-order/random-directions.ts';

export const mezo = defineAlgorithm({
  name: 'mezo',
  summary:
    'zeroth order: gradients are estimated from losses along random directions, in any method; the model need give no gradients',
  paper: 'Malladi et al. 2023, arXiv 2305.17333; for unlearning Lang et al., ICLR 2026',
  formula: 'g = mean over directions z ~ N(0, 1) of (L(theta + mu z) - L(theta - mu z)) / (2 mu) * z, of each term',
  departures:
    "The run's optimizer steps on the estimate, where the paper has plain descent. Terms are estimated one by one along the same " +
    'directions, so that gradient rules see each. Weights are put back to the bit from a copy, where the paper undoes its steps in ' +
    'floating point. The difference goes through all of a loss, also through weights that wga and satimp take as constant.',
  settings: {
    method: innerMethodOf('the method whose loss it is, with the settings that runs give it'),
    mu: numberSetting('how far a direction moves the weights', 1e-3, { lowExclusive: true }),
    directions: integerSetting('random directions a step, each of two losses a term', 1),
  },
  advice: { forgetMore: { directions: 'raise' }, keepMore: { directions: 'raise' } },
  promises: {
    property:
      'in hundreds of steps it lowers the probability of the forget set and keeps that of the retain set, on models of some thousand weights; ' +
      'of large ones the steps that a run takes by default move little',
  },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  endsAnywhere: true,
  buffers: () => ({ copies: 1, masks: 1 }),
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  checkSets: (_, { method }) => checkDifferences(innerMethod(method)),
  async *run(lab, { method, mu, directions }) {
    const inner = innerMethod(method);
    checkDifferences(inner);
    const estimator = await alongDirections(lab, { mu, directions });
    try {
      return yield* lab.descend(inner, { hooks: { aroundTerm: (_, __, place) => estimator.estimate(place) } });
    } finally {
      await estimator.release();
    }
  },
});
