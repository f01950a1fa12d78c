/**
 * l1-sparse: fine-tuning on what is to be kept, while a penalty makes the model sparse.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { SoulError } from '../../core/errors.ts';
import { frozenTest } from '../../core/frozen-masks.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { StepPlace } from '../descent-options.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { flagSetting, numberSetting } from '../setting.ts';
import { retainSet } from '../source.ts';

export const l1Sparse = defineAlgorithm({
  name: 'l1-sparse',
  summary: 'fine-tunes on the retain set under an l1 penalty that falls to 0',
  paper: 'Jia et al. 2023, arXiv 2304.04934',
  formula: 'L = CE(retain) + a_t * |theta|_1, a_t = alpha * (1 - t / T) at step t of T',
  departures:
    'The paper steps with SGD; here the optimizer of the run does, and clips the gradient with the penalty in it. The subgradient ' +
    'never gives exact zeros; soft, off by default, shrinks weights by learning rate times a_t in its place, and does.',
  settings: {
    alpha: numberSetting('factor of the penalty at the beginning', 5e-4),
    soft: flagSetting('a soft threshold after each step in place of the subgradient'),
  },
  promises: { property: 'the sum of the magnitudes of the weights falls, and the retain set is kept' },
  learningRates: { adamw: 1e-5, sophia: 2e-5, 'soul-repo': 7e-6 },
  needs: () => ['retain'],
  async *run(lab, { alpha, soft }) {
    const { values, gradients } = lab.model.parameters;
    if (soft && values.dtype !== 'f32') {
      throw new SoulError(
        'SOUL_UNSUPPORTED',
        `the soft threshold of l1-sparse shrinks weights by less than ${values.dtype} resolves; load the model in float32 (--dtype f32)`,
        { dtype: values.dtype },
      );
    }
    const isFrozen = await frozenTest(soft ? lab.frozen : undefined);
    const cancellable = lab.signal ? { signal: lab.signal } : {};
    const factorAt = (step: number, steps: number) => alpha * (1 - step / steps);
    const penalise = async ({ step, steps }: StepPlace) => {
      const factor = factorAt(step, steps);
      await walkElements(
        [values, gradients],
        ([weights, slopes]) => {
          for (const [i, weight] of weights!.entries()) slopes![i]! += factor * Math.sign(weight);
        },
        { writes: [1], ...cancellable },
      );
    };
    const shrink = async (learningRate: number, step: number, steps: number) => {
      const by = learningRate * factorAt(step, steps);
      await walkElements(
        [values],
        ([weights], start) => {
          for (const [i, weight] of weights!.entries()) {
            if (isFrozen(start + i)) continue;
            weights![i] = Math.sign(weight) * Math.max(Math.abs(weight) - by, 0);
          }
        },
        { writes: [0], ...cancellable },
      );
    };
    return yield* lab.descend(
      { name: 'l1-sparse', terms: [{ name: 'retain', source: retainSet, objective: crossEntropy }] },
      {
        hooks: soft
          ? { afterStep: ({ learningRate, step, steps }) => shrink(learningRate, step - 1, steps) }
          : { beforeStep: penalise },
      },
    );
  },
});
