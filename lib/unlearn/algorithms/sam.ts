/**
 * SAM: what is forgotten stays forgotten when the weights are moved a little.
 *
 * Memory beside the descent's: a copy of the weights, which puts them back bit for bit. A float32 master that the optimizer keeps
 * of bf16 weights is not touched: gradients are taken at the bf16 weights, so these are what is moved.
 *
 * @module
 */

import { axpy, squaredNorm } from '../../core/vector-operations.ts';
import { defineAlgorithm } from '../algorithm.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { numberSetting } from '../setting.ts';

export const sam = defineAlgorithm({
  name: 'sam',
  summary: 'sharpness-aware: the forget gradient is taken where the forget loss is highest nearby, in any method',
  paper: 'Fan et al. 2025, arXiv 2502.05374; SAM: Foret et al. 2020, arXiv 2010.01412',
  formula: 'g_f at theta + rho * g_f / |g_f|, the other gradients at theta',
  departures:
    'The norm is that of the weights that may move. They are put back bit for bit. In bf16, where most would not move at all to the ' +
    'nearest, they are rounded at random, so that the mean move is the exact one.',
  settings: {
    method: innerMethodSetting,
    rho: numberSetting('how far the weights are moved, in the Euclidean norm of those that may move', 0.01, {
      lowExclusive: true,
    }),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  endsAnywhere: true,
  buffers: () => ({ copies: 1 }),
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  async *run(lab, { method, rho }) {
    const { values, gradients } = lab.model.parameters;
    const inner = innerMethod(method);
    const [first] = inner.terms;
    const kept = await lab.snapshot();
    const numbers = { moves: 0 };
    return yield* lab.descend(inner, {
      hooks: {
        stored: { numbers },
        // The first term is the one that forgets, and finds the gradients at 0.
        async aroundTerm(term, pull) {
          const value = await pull();
          if (term !== first) return value;
          const factor = rho / Math.sqrt(await squaredNorm(gradients));
          // A gradient of 0, or as good as that, has no direction; one that is not finite is the optimizer's to tell.
          if (!(factor > 0 && Number.isFinite(Math.fround(factor)))) return value;
          await kept.copyFrom(values);
          try {
            const count = numbers.moves++;
            await axpy(factor, gradients, values, { rounding: 'stochastic', seed: lab.seed, count });
            await gradients.fill(0);
            return await pull();
          } finally {
            await values.copyFrom(kept);
          }
        },
      },
    });
  },
});
