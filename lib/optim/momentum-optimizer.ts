/**
 * What optimizers with one moving average of the gradient share: all but the direction in which they move.
 *
 * @module
 */

import { checkBoolean, checkNumber, checkSeed, valueOr } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { type RandomStream, randomStream } from '../core/random.ts';
import type { RoundingOptions } from '../core/vector-operations.ts';
import { BlockSteps, type Move } from './block-steps.ts';
import type {
  Optimizer,
  OptimizerOptions,
  OptimizerParameters,
  OptimizerProgress,
  StepOptions,
  StepStatistics,
} from './optimizer.ts';
import { OptimizerState, optimizerReleased } from './optimizer-state.ts';
import { checkParameters, checkShared, sharedOptionNames } from './options.ts';
import { type GroupLayout, groupsOf, layOutGroups } from './parameter-groups.ts';
import { stepStatistics } from './statistics.ts';

export interface MomentumOptions extends OptimizerOptions {
  /** What remains of the moving average at each step, in [0, 1); 0 steps by the gradient alone. Default 0.9. */
  momentum?: number;
}

export interface MomentumState {
  /** Steps taken. */
  readonly step: number;
  /** Moving average of the gradient. */
  readonly momentum: FlatBuffer;
  /** The float32 values, where `parameters.values` is their bf16 copy; `master` in files. */
  readonly master: FlatBuffer<'f32'> | undefined;
}

/** What one such optimizer is. */
export interface MomentumKind<Name extends string = string> {
  /** In the metadata of state files. */
  readonly name: string;
  /** Of the moving average in state files. */
  readonly average: Name;
  readonly defaults: { readonly learningRate: number; readonly weightDecay: number; readonly momentum: number };
  /** Factor of a new gradient in the moving average. */
  readonly gradientShare: (momentum: number) => number;
  readonly move: Move;
}

/** torch's `clip_grad_norm_` adds this to the norm. */
const clipEpsilon = 1e-6;

/**
 * Its steps are made of operations on vectors: about a dozen, block by block. They first read the gradient's norm back, so other
 * work on values and gradients is to be called when a step's promise has resolved. Calls of the optimizer itself take effect in
 * their order, awaited or not.
 */
export abstract class MomentumOptimizer implements Optimizer {
  readonly parameters: OptimizerParameters;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly momentum: number;
  readonly frozen: FlatBuffer<'u8'> | undefined;
  readonly #kind: MomentumKind;
  readonly #clipNorm: number;
  readonly #direction: 1 | -1;
  readonly #skipNonFinite: boolean;
  readonly #draws: RandomStream;
  readonly #layout: GroupLayout;
  readonly #state: OptimizerState<string>;
  readonly #blocks: BlockSteps;
  #released = false;
  /** The calls before. */
  #before: Promise<unknown> = Promise.resolve();

  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  protected constructor(parameters: OptimizerParameters, options: MomentumOptions, kind: MomentumKind) {
    checkNames('options', options, [...sharedOptionNames, 'momentum']);
    checkParameters(parameters);
    this.parameters = { ...parameters };
    this.#kind = kind;
    const shared = checkShared(options, kind.defaults);
    this.learningRate = shared.learningRate;
    this.weightDecay = shared.weightDecay;
    this.momentum = checkNumber('momentum', valueOr(options.momentum, kind.defaults.momentum), {
      high: 1,
      highExclusive: true,
    });
    this.#clipNorm = Number(shared.clipNorm);
    this.#direction = shared.maximize ? -1 : 1;
    this.#skipNonFinite = shared.skipNonFinite;
    this.#draws = randomStream(checkSeed('seed', valueOr(options.seed, 0n)), 'rounding of momentum steps');
    this.#layout = layOutGroups(groupsOf(parameters, options), parameters.values.length);
    this.frozen = options.frozen;
    this.#state = new OptimizerState(this.parameters, options, [kind.average]);
    try {
      this.#blocks = new BlockSteps(
        {
          values: parameters.values,
          gradients: parameters.gradients,
          momentum: this.#state.average(kind.average),
          master: this.#state.master,
          frozen: options.frozen,
        },
        this.#layout,
        kind.move,
      );
    } catch (error) {
      this.#state.release().catch(() => {});
      throw error;
    }
  }

  get state(): MomentumState {
    return {
      step: this.#state.step,
      momentum: this.#state.average(this.#kind.average),
      master: this.#state.master,
    };
  }

  /** One step; what is wrong with it is found before anything is changed. */
  async step(options: StepOptions = {}): Promise<StepStatistics> {
    checkNames('options', options, ['learningRate', 'weightDecay', 'zeroGradients']);
    const learningRate = checkNumber('learningRate', valueOr(options.learningRate, this.learningRate));
    const weightDecay = checkNumber('weightDecay', valueOr(options.weightDecay, this.weightDecay));
    const zeroGradients = checkBoolean('zeroGradients', valueOr(options.zeroGradients, false));
    const ranges = this.#rangeNumbers(learningRate, weightDecay);
    return this.#inTurn(() => this.#step(ranges, zeroGradients));
  }

  /** Writes the moving average, `step`, and the `master` where there is one, to a safetensors file; not the values. */
  async saveState(path: string): Promise<void> {
    return this.#inTurn(() => this.#state.save(path, () => ({ optimizer: this.#kind.name })));
  }

  /**
   * Reads a state back. The moving average may be F32 or BF16 in the file, whatever it is here. Where there is a master here and
   * none in the file, the values as they are now become it: load them first.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED; SOUL_INVALID_ARGUMENT for another length. Nothing
   *   has changed then.
   */
  async loadState(path: string): Promise<void> {
    return this.#inTurn(() => this.#state.load(path, async () => () => {}));
  }

  progress(): OptimizerProgress {
    return this.#state.progress();
  }

  async resumeAt(counters: OptimizerProgress['counters']): Promise<void> {
    return this.#inTurn(() => this.#state.resumeAt(counters));
  }

  /** To be called when something else has written to bf16 values that have a float32 master; else it does nothing. */
  async refreshMaster(): Promise<void> {
    return this.#inTurn(() => this.#state.refreshMaster());
  }

  /** Gives the state's memory up after all earlier calls; the parameters stay. */
  async release(): Promise<void> {
    if (this.#released) return;
    const released = this.#inTurn(async () => {
      await Promise.all([this.#state.release(), this.#blocks.release()]);
    });
    this.#released = true;
    return released;
  }

  /** At the end of a block with `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #step(ranges: readonly { keep: number; by: number }[], zeroGradients: boolean): Promise<StepStatistics> {
    this.#state.checkSteppable();
    const { gradientNorm, stepped } = await this.#blocks.measure();
    // What a caller released in the meantime must not stop a step half-way.
    this.#state.checkSteppable();
    if (this.#skipNonFinite && !Number.isFinite(gradientNorm)) {
      return this.#statistics(true, gradientNorm, [], []);
    }
    const { momentum } = this;
    const factor = this.#direction * this.#clipFactor(gradientNorm) * this.#kind.gradientShare(momentum);
    const rounding = (index: number): RoundingOptions =>
      this.#state.stochasticRounding
        ? { rounding: 'stochastic', seed: this.#draws.seed64(this.#state.step, index) }
        : {};
    const work = this.#blocks.step({
      momentum,
      gradientFactor: factor,
      ranges,
      rounding: { values: rounding(0), momentum: rounding(1) },
    });
    const [changed] = await Promise.all([
      work,
      this.#state.countStep(),
      zeroGradients ? this.parameters.gradients.fill(0) : undefined,
    ]);
    return this.#statistics(false, gradientNorm, stepped, changed);
  }

  /** What brings a gradient down to the norm that is allowed; a norm that is not finite scales nothing. */
  #clipFactor(norm: number): number {
    return this.#clipNorm > 0 && Number.isFinite(norm) ? Math.min(1, this.#clipNorm / (norm + clipEpsilon)) : 1;
  }

  /** What each range of the layout is multiplied with and moved by. */
  #rangeNumbers(learningRate: number, weightDecay: number): { keep: number; by: number }[] {
    const { segments, groupOf } = this.#layout;
    return groupOf.map((_, range) => {
      const [scale, decay] = [segments[5 * range + 2]!, segments[5 * range + 3]!];
      const rate = learningRate * scale;
      const keep = 1 - rate * (Number.isNaN(decay) ? weightDecay : decay);
      if (![rate, keep].every((number) => Number.isFinite(Math.fround(number)))) {
        throw invalidArgument('learningRate', 'such that steps and decay are finite as float32', learningRate);
      }
      return { keep, by: -rate };
    });
  }

  #statistics(skipped: boolean, norm: number, stepped: readonly number[], changed: readonly number[]): StepStatistics {
    const counts = this.#layout.groupOf.flatMap((_, range) => [stepped[range] ?? 0, 0, changed[range] ?? 0]);
    return stepStatistics(this.#layout, [this.#state.step, Number(skipped), norm, Number.NaN, ...counts], false);
  }

  /** After the calls before, whatever became of them. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#released) throw optimizerReleased();
    const done = this.#before.then(work);
    this.#before = done.catch(() => {});
    return done;
  }
}
