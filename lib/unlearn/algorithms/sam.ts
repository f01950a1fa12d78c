/**
 * SAM: what is forgotten stays forgotten when the weights are moved a little.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
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
    'Weights are moved in float32 and put back bit for bit; in bf16 most would not move at all, so that is refused.',
  settings: {
    method: innerMethodSetting,
    rho: numberSetting('how far the weights are moved, in the Euclidean norm of all', 0.01, { lowExclusive: true }),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  async *run(lab, { method, rho }) {
    const { values, gradients } = lab.model.parameters;
    if (values.dtype !== 'f32') {
      throw new SoulError(
        'SOUL_UNSUPPORTED',
        `sam moves weights by less than ${values.dtype} resolves; load the model in float32 (--dtype f32)`,
        { dtype: values.dtype },
      );
    }
    const inner = innerMethod(method);
    const [first] = inner.terms;
    const kept = await lab.snapshot();
    return yield* lab.descend(inner, {
      hooks: {
        // The first term is the one that forgets, and finds the gradients at 0.
        async aroundTerm(term, pull) {
          const value = await pull();
          if (term !== first) return value;
          const factor = rho / Math.sqrt(await squaredNorm(gradients));
          // A gradient of 0, or as good as that, has no direction; one that is not finite is the optimizer's to tell.
          if (!(factor > 0 && Number.isFinite(Math.fround(factor)))) return value;
          await kept.copyFrom(values);
          try {
            await axpy(factor, gradients, values);
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
