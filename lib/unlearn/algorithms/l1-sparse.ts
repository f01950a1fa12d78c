/**
 * l1-sparse: fine-tuning on what is to be kept, while a penalty makes the model sparse.
 *
 * It takes no memory of a model's size. The penalty walks over all weights on the processor, at each step.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { copyOfMask, isFrozen } from '../../core/frozen-masks.ts';
import { cast } from '../../core/vector-operations.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { DescentHooks } from '../descent-options.ts';
import type { Lab } from '../lab.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { flagSetting, numberSetting } from '../setting.ts';
import { retainSet } from '../source.ts';

export const l1Sparse = defineAlgorithm({
  name: 'l1-sparse',
  summary: 'fine-tunes on the retain set under an l1 penalty that falls to 0',
  paper: 'Jia et al. 2023, arXiv 2304.04934',
  formula: 'L = CE(retain) + a_t * |theta|_1, a_t = alpha * (1 - t / T) at step t of T, from 0',
  departures:
    'The paper steps with SGD, and lowers a_t from epoch to epoch; here the optimizer of the run steps, and clips the gradient with ' +
    'the penalty in it, and a_t falls at each step. The subgradient never gives exact zeros; soft, off by default, shrinks weights ' +
    'by learning rate times a_t in its place, and does.',
  settings: {
    alpha: numberSetting('factor of the penalty at the beginning', 5e-4),
    soft: flagSetting('a soft threshold after each step in place of the subgradient'),
  },
  advice: { forgetMore: { alpha: 'raise' }, keepMore: { alpha: 'lower' } },
  promises: { property: 'the sum of the magnitudes of the weights falls, and the retain set is kept' },
  learningRates: { adamw: 1e-5, sophia: 2e-5, 'soul-repo': 7e-6 },
  needs: () => ['retain'],
  async *run(lab, { alpha, soft }) {
    const factorAt = (step: number, steps: number) => alpha * (1 - step / steps);
    return yield* lab.descend(
      { name: 'l1-sparse', terms: [{ name: 'retain', source: retainSet, objective: crossEntropy }] },
      { hooks: soft ? await softThreshold(lab, factorAt) : subgradient(lab, factorAt) },
    );
  },
});

/** The factor of the penalty at a step, from 0. */
type FactorAt = (step: number, steps: number) => number;

/** Adds a_t * sign(theta) to the gradients. */
function subgradient(lab: Lab, factorAt: FactorAt): DescentHooks {
  const { values, gradients } = lab.model.parameters;
  return {
    async beforeStep({ step, steps }) {
      const factor = factorAt(step, steps);
      await walkElements(
        [values, gradients],
        ([weights, slopes]) => {
          for (let i = 0; i < weights!.length; i++) slopes![i]! += factor * Math.sign(weights![i]!);
        },
        { writes: [1], ...cancellable(lab) },
      );
    },
  };
}

/** theta <- sign(theta) * max(|theta| - learning rate * a_t, 0), the proximal step of the penalty. */
async function softThreshold(lab: Lab, factorAt: FactorAt): Promise<DescentHooks> {
  const { values } = lab.model.parameters;
  const bits = lab.frozen && (await copyOfMask(lab.frozen, 'cpu')).array;
  return {
    async afterStep({ learningRate, step, steps, statistics }, stepped) {
      if (statistics.skipped) return;
      const by = learningRate * factorAt(step - 1, steps);
      await walkElements(
        [stepped],
        ([weights], start) => {
          for (let i = 0; i < weights!.length; i++) {
            if (bits !== undefined && isFrozen(bits, start + i)) continue;
            const weight = weights![i]!;
            weights![i] = Math.sign(weight) * Math.max(Math.abs(weight) - by, 0);
          }
        },
        { writes: [0], ...cancellable(lab) },
      );
      if (stepped !== values) await cast(stepped, values);
    },
  };
}

function cancellable({ signal }: Lab): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
