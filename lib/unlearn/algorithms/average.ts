/**
 * Weight averaging: the mean of the weights along the way.
 *
 * @module
 */

import { axpy, scale } from '../../core/vector-operations.ts';
import { defineAlgorithm } from '../algorithm.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { integerSetting, numberSetting } from '../setting.ts';

export const average = defineAlgorithm({
  name: 'average',
  summary: 'ends at the mean of the weights along the way, in any method',
  paper: 'Izmailov et al. 2018, arXiv 1803.05407; for unlearning Fan et al. 2025, arXiv 2502.05374',
  formula: 'theta = mean of theta_t over every n-th step t from a share of the steps on, the last one included',
  departures: 'Fan et al. begin at step 100; a share fits runs of any length. The mean is kept in float32.',
  settings: {
    method: innerMethodSetting,
    every: integerSetting('steps between two weights that count', 5),
    from: numberSetting('share of the steps after which they count', 0.5, { high: 1, highExclusive: true }),
  },
  promises: { forget: 0.7, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  buffers: () => ({ copies: 1, float32: 1 }),
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  async *run(lab, { method, every, from }) {
    const { values } = lab.model.parameters;
    // Differences from the first point that counts are added up, so that a weight that never changed keeps its bits.
    const differences = lab.scratch();
    const first = await lab.snapshot();
    const stored = { buffers: { first, differences }, numbers: { count: 0 } };
    const summary = yield* lab.descend(innerMethod(method), {
      hooks: {
        stored,
        async afterStep({ step, steps }) {
          if (step <= Math.floor(from * steps) || (steps - step) % every !== 0) return;
          stored.numbers.count += 1;
          if (stored.numbers.count === 1) await first.copyFrom(values);
          else {
            await axpy(1, values, differences);
            await axpy(-1, first, differences);
          }
        },
      },
    });
    await scale(differences, 1 / stored.numbers.count);
    await values.copyFrom(first);
    await axpy(1, differences, values);
    return summary;
  },
});
