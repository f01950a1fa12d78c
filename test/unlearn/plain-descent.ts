/**
 * An optimizer for tests: theta <- theta - lr * g, which allocates nothing.
 *
 * @module
 */

import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { axpy } from '../../lib/core/vector-operations.ts';
import type { Optimizer, OptimizerParameters, StepOptions, StepStatistics } from '../../lib/optim/optimizer.ts';

export class PlainDescent implements Optimizer {
  readonly parameters: OptimizerParameters;
  readonly learningRate: number;
  readonly state: { step: number } = { step: 0 };
  /** Told to those who ask; steps change all weights. */
  frozen: FlatBuffer<'u8'> | undefined;
  /** The gradients and the values that each step met. */
  readonly met: { readonly gradients: Float32Array; readonly values: Float32Array }[] = [];

  constructor(parameters: OptimizerParameters, learningRate = 0.1) {
    this.parameters = parameters;
    this.learningRate = learningRate;
  }

  async step({ learningRate = this.learningRate }: StepOptions = {}): Promise<StepStatistics> {
    const { values, gradients } = this.parameters;
    this.met.push({ gradients: await gradients.toFloat32Array(), values: await values.toFloat32Array() });
    await axpy(-learningRate, gradients, values);
    await gradients.fill(0);
    this.state.step += 1;
    const { length } = values;
    return { step: this.state.step, skipped: false, stepped: length, changedFraction: 1, gradientNorm: 0, groups: [] };
  }

  async saveState(): Promise<void> {}

  async loadState(): Promise<void> {}

  async release(): Promise<void> {}
}
