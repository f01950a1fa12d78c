/**
 * Pruning before unlearning: a sparser model forgets more easily.
 *
 * Memory beside the model with its gradients: 4 bytes a weight while weights are chosen, given up before the descent, whose optimizer
 * takes more; then a bit a weight for the mask.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { cast, quantile } from '../../core/vector-operations.ts';
import { refuseFreshAdapters } from '../adapters.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import { setsNeeded } from '../method.ts';
import { freezeWhere, leaveCandidates } from '../selection.ts';
import { numberSetting } from '../setting.ts';

export const prune = defineAlgorithm({
  name: 'prune',
  summary: 'prunes the smallest weights of the matrices for good, then unlearns by any method',
  paper: 'Jia et al. 2023, arXiv 2304.04934',
  formula:
    'theta_i = 0 and stays 0 where |theta_i| is among the share of the smallest of all matrices; then the method',
  departures:
    'The paper prunes 95 % of vision models that are trained on afterwards. A language model does not live through that at once: on ' +
    "the demo's model, with npo and AdamW, 95 % leaves the retain set a probability of 0.00, 50 % leaves 0.85 and 20 %, the default, " +
    '0.94. Embeddings and norms are left alone, and so is what the run may not change, which is not counted either.',
  settings: {
    method: innerMethodSetting,
    share: numberSetting('share that is pruned of the weights of matrices that may move', 0.2, {
      low: 0,
      lowExclusive: true,
      high: 1,
      highExclusive: true,
    }),
  },
  advice: { keepMore: { share: 'lower' } },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  endsAnywhere: true,
  buffers: () => ({ freezes: true }),
  checkModel: (model) => refuseFreshAdapters(model, 'prune', 'takes the smallest weights away'),
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  async *run(lab, { method, share }) {
    const { values } = lab.model.parameters;
    const frozen = lab.mask();
    const pruning = async function* (): AsyncGenerator<RunEvent, void, void> {
      const candidates = FlatBuffer.alloc(values.length, { dtype: 'f32', device: values.device });
      try {
        await cast(values, candidates);
        const count = await leaveCandidates(lab, candidates, 'trainable', (_, { group }) => group === 'matrix');
        const threshold = await quantile({ of: 'magnitude', a: candidates }, 1 - share);
        const isPruned = (value: number) => Math.abs(value) < threshold;
        const pruned = await freezeWhere(lab, frozen, [candidates], isPruned);
        yield {
          kind: 'note',
          text: `${((100 * pruned) / count).toFixed(1)} % of ${count} weights of matrices are pruned`,
        };
        await walkElements(
          [values, candidates],
          ([weights, magnitudes]) => {
            for (let i = 0; i < weights!.length; i++) if (isPruned(magnitudes![i]!)) weights![i] = 0;
          },
          { writes: [0], ...(lab.signal ? { signal: lab.signal } : {}) },
        );
      } finally {
        await candidates.release();
      }
    };
    yield* lab.stage('pruning', pruning, () => ({ frozen }));
    return yield* lab.descend(innerMethod(method), { frozen });
  },
});
