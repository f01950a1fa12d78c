/**
 * Sign descent with momentum: every weight moves by the learning rate, whatever the size of its gradient.
 *
 * @see https://arxiv.org/abs/1802.04434 algorithm 2 (Signum)
 * @module
 */

import { addSign } from '../core/vector-operations.ts';
import { type MomentumKind, MomentumOptimizer, type MomentumOptions } from './momentum-optimizer.ts';
import type { OptimizerParameters } from './optimizer.ts';

/** What sign descent takes where nothing is said: the paper's. */
export const signDescentDefaults = {
  learningRate: 1e-4,
  weightDecay: 0,
  momentum: 0.9,
} as const satisfies MomentumOptions;

const kind: MomentumKind = {
  name: 'sign',
  average: 'exp_avg',
  defaults: signDescentDefaults,
  gradientShare: (momentum) => 1 - momentum,
  move: addSign,
};

/**
 * m <- momentum * m + (1 - momentum) * g; theta <- theta * (1 - lr * wd) - lr * sign(m), where the sign of 0 is 0.
 *
 * What Sophia does where every weight is clipped. Clipping the gradient's norm changes what a gradient counts beside those before
 * it, not the length of a step. The moving average is `exp_avg` in files.
 *
 * @example
 * const sign = new SignDescent({ values, gradients }, { learningRate: 1e-5 });
 * const { changedFraction } = await sign.step({ zeroGradients: true });
 */
export class SignDescent extends MomentumOptimizer {
  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  constructor(parameters: OptimizerParameters, options: MomentumOptions = {}) {
    super(parameters, options, kind);
  }
}
