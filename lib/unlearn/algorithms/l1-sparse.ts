/**
 * l1-sparse: fine-tuning on what is to be kept, while a penalty makes the model sparse.
 *
 * It takes no memory of a model's size; the penalty is one more pass over the weights at each step.
 *
 * @module
 */

import { addSign, cast, softThreshold } from '../../core/vector-operations.ts';
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
  endsAnywhere: true,
  needs: () => ['retain'],
  async *run(lab, { alpha, soft }) {
    const factorAt = (step: number, steps: number) => alpha * (1 - step / steps);
    return yield* lab.descend(
      { name: 'l1-sparse', terms: [{ name: 'retain', source: retainSet, objective: crossEntropy }] },
      { hooks: soft ? proximalStep(lab, factorAt) : subgradient(lab, factorAt) },
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
      await addSign(factorAt(step, steps), values, gradients);
    },
  };
}

/** theta <- sign(theta) * max(|theta| - learning rate * a_t, 0). */
function proximalStep({ model, frozen }: Lab, factorAt: FactorAt): DescentHooks {
  const { values } = model.parameters;
  return {
    async afterStep({ learningRate, step, steps, statistics }, stepped) {
      if (statistics.skipped) return;
      await softThreshold(stepped, learningRate * factorAt(step - 1, steps), frozen ? { frozen } : {});
      if (stepped !== values) await cast(stepped, values);
    },
  };
}
