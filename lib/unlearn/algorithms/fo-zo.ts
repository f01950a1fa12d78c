/**
 * Alternation of first-order and zeroth-order steps.
 *
 * @module
 */

import { defineAlgorithm } from '../algorithm.ts';
import { innerMethod, innerMethodOf } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { integerSetting, numberSetting } from '../setting.ts';
import { checkDifferences } from '../zeroth-order/differences.ts';
import { alongDirections } from '../zeroth-order/random-directions.ts';

export const foZo = defineAlgorithm({
  name: 'fo-zo',
  summary: 'alternates steps on gradients with steps on estimates of them along random directions, in any method',
  paper: 'Lang et al., ICLR 2026 ("Downgrade to Upgrade"); the estimate: Malladi et al. 2023, arXiv 2305.17333',
  formula:
    'n steps on the gradient, then n on (L(theta + mu z) - L(theta - mu z)) / (2 mu) * z / sqrt(1 + (d + 1) / directions), the mean ' +
    'over directions; d weights move',
  departures:
    "One optimizer takes both kinds of steps. An estimate's square is larger than the gradient's by a factor of about d on average, " +
    "and would drown it in AdamW's averages; so it is divided by the root of that. As in mezo otherwise.",
  settings: {
    method: innerMethodOf('the method inside, with the settings that runs give it'),
    every: integerSetting('steps of one kind before those of the other', 5),
    mu: numberSetting('how far a direction moves the weights', 1e-3, { lowExclusive: true }),
    directions: integerSetting('random directions a zeroth-order step, each of two losses a term', 1),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 4.2e-6, sophia: 9.8e-6, 'soul-repo': 3.5e-6, sign: 1.8e-6, sgd: 0.019 },
  endsAnywhere: true,
  buffers: () => ({ copies: 1, masks: 1 }),
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  checkSets: (_, { method }) => checkDifferences(innerMethod(method)),
  async *run(lab, { method, every, mu, directions }) {
    const inner = innerMethod(method);
    checkDifferences(inner);
    const estimator = await alongDirections(lab, { mu, directions, scale: 'norm' });
    try {
      return yield* lab.descend(inner, {
        hooks: {
          aroundTerm: (_, pull, place) =>
            Math.floor(place.step / every) % 2 === 0 ? pull() : estimator.estimate(place),
        },
      });
    } finally {
      await estimator.release();
    }
  },
});
