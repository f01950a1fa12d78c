/**
 * AdamW, as torch.optim.AdamW computes it.
 *
 * @see https://arxiv.org/abs/1711.05101 algorithm 2
 * @module
 */

import { nativeAddon } from '../core/addon.ts';
import { checkBoolean, checkNumber, valueOr } from '../core/checks.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { SettingsBlock } from './native-settings.ts';
import type {
  Optimizer,
  OptimizerOptions,
  OptimizerParameters,
  OptimizerProgress,
  StepOptions,
  StepStatistics,
} from './optimizer.ts';
import { OptimizerState } from './optimizer-state.ts';
import { checkBetas, checkParameters, checkShared, sharedOptionNames } from './options.ts';
import { type GroupLayout, groupsOf, layOutGroups } from './parameter-groups.ts';
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
  /** The float32 values, where `parameters.values` is their bf16 copy; `master` in files. */
  readonly master: FlatBuffer<'f32'> | undefined;
}

/** What AdamW takes where nothing is said: torch's. */
export const adamwDefaults = {
  learningRate: 1e-3,
  weightDecay: 0.01,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
} as const satisfies AdamWOptions;

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
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly frozen: FlatBuffer<'u8'> | undefined;
  readonly #settings: SettingsBlock;
  readonly #layout: GroupLayout;
  readonly #state: OptimizerState<'exp_avg' | 'exp_avg_sq'>;

  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  constructor(parameters: OptimizerParameters, options: AdamWOptions = {}) {
    checkNames('options', options, [...sharedOptionNames, 'betas', 'epsilon']);
    checkParameters(parameters);
    this.parameters = { ...parameters };
    const shared = checkShared(options, adamwDefaults);
    this.learningRate = shared.learningRate;
    this.weightDecay = shared.weightDecay;
    this.betas = checkBetas(valueOr(options.betas, adamwDefaults.betas));
    this.epsilon = checkNumber('epsilon', valueOr(options.epsilon, adamwDefaults.epsilon));
    this.#layout = layOutGroups(groupsOf(parameters, options), parameters.values.length);
    this.frozen = options.frozen;
    this.#state = new OptimizerState(this.parameters, options, ['exp_avg', 'exp_avg_sq']);
    const [beta1, beta2] = this.betas;
    const { stochasticRounding } = this.#state;
    this.#settings = new SettingsBlock({ ...shared, beta1, beta2, epsilon: this.epsilon, stochasticRounding });
  }

  get state(): AdamWState {
    return {
      step: this.#state.step,
      momentum: this.#state.average('exp_avg'),
      squareAverage: this.#state.average('exp_avg_sq'),
      master: this.#state.master,
    };
  }

  /** One step, in one pass over memory (and one read of the gradient before it, for the guard or the clipping). */
  async step(options: StepOptions = {}): Promise<StepStatistics> {
    checkNames('options', options, ['learningRate', 'weightDecay', 'zeroGradients']);
    this.#state.checkAlive();
    const numbers = await nativeAddon().adamwStep(
      ...this.#state.stepBuffers('exp_avg', 'exp_avg_sq'),
      this.#state.control,
      this.#layout.segments,
      this.#settings.with({
        learningRate: checkNumber('learningRate', valueOr(options.learningRate, this.learningRate)),
        weightDecay: checkNumber('weightDecay', valueOr(options.weightDecay, this.weightDecay)),
        zeroGradients: checkBoolean('zeroGradients', valueOr(options.zeroGradients, false)),
      }),
      this.#state.counters,
    );
    return stepStatistics(this.#layout, numbers, false);
  }

  /** Writes `exp_avg`, `exp_avg_sq`, `step`, and the `master` where there is one, to a safetensors file; not the values. */
  async saveState(path: string): Promise<void> {
    await this.#state.save(path, () => ({ optimizer: 'adamw' }));
  }

  /**
   * Reads a state back; await it before the next call. Moving averages may be F32 or BF16 in the file, whatever they are
   * here. Where there is a master here and none in the file, the values as they are now become it: load them first.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED; SOUL_INVALID_ARGUMENT for another length. Nothing
   *   has changed then.
   */
  async loadState(path: string): Promise<void> {
    await this.#state.load(path, async () => () => {});
  }

  progress(): OptimizerProgress {
    return this.#state.progress();
  }

  async resumeAt(counters: OptimizerProgress['counters']): Promise<void> {
    await this.#state.resumeAt(counters);
  }

  /** To be called when something else has written to bf16 values that have a float32 master; else it does nothing. */
  async refreshMaster(): Promise<void> {
    await this.#state.refreshMaster();
  }

  /** Gives the state's memory up after all earlier calls; the parameters stay. */
  async release(): Promise<void> {
    await this.#state.release();
  }

  /** At the end of a block with `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
