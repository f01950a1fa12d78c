/**
 * AdamW, as torch.optim.AdamW computes it.
 *
 * @see https://arxiv.org/abs/1711.05101 algorithm 2
 * @module
 */

import { nativeAddon } from '../core/addon.ts';
import { type FlatBuffer, nativeMemory } from '../core/flat-buffer.ts';
import type { Optimizer, OptimizerOptions, OptimizerParameters, StepOptions, StepStatistics } from './optimizer.ts';
import { OptimizerState } from './optimizer-state.ts';
import {
  checkBetas,
  checkBoolean,
  checkNames,
  checkNumber,
  checkParameters,
  checkShared,
  type SharedSettings,
  sharedOptionNames,
  valueOr,
} from './options.ts';
import { type GroupLayout, layOutGroups } from './parameter-groups.ts';
import { stepStatistics } from './statistics.ts';

export interface AdamWOptions extends OptimizerOptions {
  /** Decay rates of the moving averages of the gradient and of its square. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root in the denominator. Default 1e-8. */
  epsilon?: number;
}

export interface AdamWState {
  /** Steps taken. */
  readonly step: number;
  /** Moving average of the gradient; `exp_avg` in files. */
  readonly momentum: FlatBuffer;
  /** Moving average of the gradient's square; `exp_avg_sq` in files. */
  readonly squareAverage: FlatBuffer;
}

/**
 * With m and v the bias-corrected moving averages of g and g * g:
 * theta <- theta * (1 - lr * wd) - lr * m / (sqrt(v) + eps).
 *
 * Defaults are torch's: learningRate 1e-3, weightDecay 0.01.
 *
 * @example
 * const adamw = new AdamW({ values, gradients }, { learningRate: 1e-4 });
 * const { changedFraction } = await adamw.step({ zeroGradients: true });
 */
export class AdamW implements Optimizer {
  readonly parameters: OptimizerParameters;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly #settings: SharedSettings;
  readonly #layout: GroupLayout;
  readonly #state: OptimizerState<'exp_avg' | 'exp_avg_sq'>;

  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  constructor(parameters: OptimizerParameters, options: AdamWOptions = {}) {
    checkNames('options', options, [...sharedOptionNames, 'betas', 'epsilon']);
    checkParameters(parameters);
    this.parameters = { values: parameters.values, gradients: parameters.gradients };
    this.#settings = checkShared(options, { learningRate: 1e-3, weightDecay: 0.01 });
    this.betas = checkBetas(valueOr(options.betas, [0.9, 0.999]));
    this.epsilon = checkNumber('epsilon', valueOr(options.epsilon, 1e-8));
    this.#layout = layOutGroups(options.parameterGroups, parameters.values.length);
    this.#state = new OptimizerState(this.parameters, ['exp_avg', 'exp_avg_sq']);
  }

  get learningRate(): number {
    return this.#settings.learningRate;
  }

  get weightDecay(): number {
    return this.#settings.weightDecay;
  }

  get state(): AdamWState {
    return {
      step: this.#state.step,
      momentum: this.#state.average('exp_avg'),
      squareAverage: this.#state.average('exp_avg_sq'),
    };
  }

  /** One step, in one pass over memory (and one read of the gradient before it, for the guard or the clipping). */
  async step(options: StepOptions = {}): Promise<StepStatistics> {
    checkNames('options', options, ['learningRate', 'weightDecay', 'zeroGradients']);
    this.#state.checkAlive();
    const { values, gradients } = this.parameters;
    const numbers = await nativeAddon().adamwStep(
      nativeMemory(values, 'values'),
      nativeMemory(gradients, 'gradients'),
      nativeMemory(this.#state.average('exp_avg'), 'state.momentum'),
      nativeMemory(this.#state.average('exp_avg_sq'), 'state.squareAverage'),
      this.#state.control,
      this.#layout.segments,
      {
        ...this.#settings,
        learningRate: checkNumber('learningRate', valueOr(options.learningRate, this.learningRate)),
        weightDecay: checkNumber('weightDecay', valueOr(options.weightDecay, this.weightDecay)),
        beta1: this.betas[0],
        beta2: this.betas[1],
        epsilon: this.epsilon,
        zeroGradients: checkBoolean('zeroGradients', valueOr(options.zeroGradients, false)),
      },
    );
    return stepStatistics(this.#layout, numbers, false);
  }

  /** Writes `exp_avg`, `exp_avg_sq` and `step` to a safetensors file. */
  async saveState(path: string): Promise<void> {
    await this.#state.save(path, () => ({ optimizer: 'adamw' }));
  }

  /**
   * Reads a state back; await it before the next call.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED; SOUL_INVALID_ARGUMENT for another length. Nothing
   *   has changed then.
   */
  async loadState(path: string): Promise<void> {
    await this.#state.load(path, () => () => {});
  }

  /** Gives the state's memory up after all earlier calls; the parameters stay. */
  async release(): Promise<void> {
    await this.#state.release();
  }
}
