/**
 * Gradient descent with momentum, as torch.optim.SGD computes it.
 *
 * @module
 */

import { axpy } from '../core/vector-operations.ts';
import { type MomentumKind, MomentumOptimizer, type MomentumOptions } from './momentum-optimizer.ts';
import type { OptimizerParameters } from './optimizer.ts';

/** What SGD takes where nothing is said: torch's, but for the momentum, which is 0 there. */
export const sgdDefaults = { learningRate: 1e-3, weightDecay: 0, momentum: 0.9 } as const satisfies MomentumOptions;

const kind: MomentumKind = {
  name: 'sgd',
  average: 'momentum_buffer',
  defaults: sgdDefaults,
  gradientShare: () => 1,
  move: axpy,
};

/**
 * v <- momentum * v + g; theta <- theta * (1 - lr * wd) - lr * v.
 *
 * The moving average is a sum: where gradients stay the same it grows to 1 / (1 - momentum) of them. Weight decay is decoupled,
 * as in all optimizers here; torch's adds wd * theta to g. The moving average is `momentum_buffer` in files.
 *
 * @example
 * const sgd = new SGD({ values, gradients }, { learningRate: 1e-2, clipNorm: 1 });
 * const { gradientNorm } = await sgd.step({ zeroGradients: true });
 */
export class SGD extends MomentumOptimizer {
  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  constructor(parameters: OptimizerParameters, options: MomentumOptions = {}) {
    super(parameters, options, kind);
  }
}
