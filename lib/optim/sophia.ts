/**
 * Sophia: momentum divided by a Gauss-Newton diagonal and clipped coordinate by coordinate.
 *
 * @see https://arxiv.org/abs/2305.14342 algorithms 2 and 3
 * @module
 */

import { nativeAddon } from '../core/addon.ts';
import { checkBoolean, checkChoice, checkInteger, checkNumber, valueOr } from '../core/checks.ts';
import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { type FlatBuffer, nativeMemory, overlaps } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { scale } from '../core/vector-operations.ts';
import { SettingsBlock } from './native-settings.ts';
import type {
  HessianSource,
  LoadStateOptions,
  OptimizerOptions,
  OptimizerParameters,
  OptimizerProgress,
  SecondOrderOptimizer,
  SecondOrderStepOptions,
  StepStatistics,
  UpdateHessianOptions,
} from './optimizer.ts';
import { OptimizerState, slots } from './optimizer-state.ts';
import { checkAlike, checkApart, checkBetas, checkParameters, checkShared, sharedOptionNames } from './options.ts';
import { type GroupLayout, groupsOf, layOutGroups } from './parameter-groups.ts';
import { RhoBasis } from './rho-basis.ts';
import { stepStatistics } from './statistics.ts';

export interface SophiaOptions extends OptimizerOptions {
  /** Decay rates of the moving averages of the gradient and of the Hessian diagonal. Default [0.965, 0.99]. */
  betas?: readonly [number, number];
  /**
   * Scale of the curvature. A number (default 0.04), or the share of weights, in (0, 1), that the first step shall clip:
   * rho is then set once, at that step, from the quantile of |m| / h over the weights whose h is above 1e-7 of its mean,
   * embeddings left out where there are other weights, and kept from then on. That needs an estimate before.
   *
   * With `follow` rho is set anew at the first step after each estimate, so that the share stays where gradients shrink: at a
   * rho that is kept it falls to 0 within some dozens of steps, and with it the length of the steps. Far from a minimum that
   * is several times faster; around one, let the learning rate fall. Default false.
   */
  rho?: number | { clippedFraction: number; follow?: boolean };
  /** Keeps the denominator from 0. Default 1e-15. */
  epsilon?: number;
  /** `'sum'` (default): rho * h + epsilon, the reference code's; `'max'`: max(rho * h, epsilon), the paper's. */
  denominator?: 'sum' | 'max';
  /** Divides m by 1 - beta1^t in the ratio. Default false, but true where rho is given by a fraction. */
  momentumBiasCorrection?: boolean;
  /** Times that each gradient is averaged into m. Default 1; the SOUL repository does it twice. */
  momentumUpdates?: 1 | 2;
  /**
   * Where the Hessian diagonal comes from: `'external'` (default), from `updateHessian`; or the square of each step's
   * own gradient, after clipping, times a batch size, as the SOUL repository does it.
   */
  estimator?: 'external' | { squaredGradient: { batchSize: number } };
}

export interface SophiaState {
  /** Steps taken. */
  readonly step: number;
  /** Estimates that the Hessian diagonal holds; 0 until the first is whole. */
  readonly estimates: number;
  /** Moving average of the gradient; `exp_avg` in files. */
  readonly momentum: FlatBuffer;
  /** Moving average of B * g * g; `hessian` in files. */
  readonly hessian: FlatBuffer;
  /** The float32 values, where `parameters.values` is their bf16 copy; `master` in files. */
  readonly master: FlatBuffer<'f32'> | undefined;
}

const optionNames = [
  ...sharedOptionNames,
  'betas',
  'rho',
  'epsilon',
  'denominator',
  'momentumBiasCorrection',
  'momentumUpdates',
  'estimator',
] as const satisfies readonly (keyof SophiaOptions)[];

/** What Sophia takes where nothing is said: its reference code's. */
export const sophiaDefaults = {
  learningRate: 1e-4,
  weightDecay: 0.1,
  betas: [0.965, 0.99],
  rho: 0.04,
  epsilon: 1e-15,
  denominator: 'sum',
} as const satisfies SophiaOptions;

/**
 * What the SOUL repository runs its TOFU experiments with (src/optim/sophia.py, configs/): the one place that says so.
 * Embeddings decay there, norm weights and biases do not.
 */
export const soulRepoDefaults = {
  learningRate: 1e-5,
  weightDecay: 0.1,
  betas: [0.9, 0.95],
  rho: 0.04,
  epsilon: 1e-15,
  denominator: 'sum',
  clipNorm: 1,
  momentumBiasCorrection: false,
  momentumUpdates: 2,
  estimator: { squaredGradient: { batchSize: 5120 } },
} as const satisfies SophiaOptions;

/** What an estimate without noise counts as; more than any that is sampled has. */
const exactParts = 2 ** 31;

/** Metadata of a state file whose Hessian holds the factor B. */
const foldedMark = { hessian_batch_size: 'folded' };

/**
 * m <- beta1 * m + (1 - beta1) * g, and with h the moving average of the estimates B * g^ * g^:
 * theta <- theta * (1 - lr * wd) - lr * sign(m) * min(1, |m| / (rho * h + eps)).
 *
 * Equals the reference PyTorch code to rounding at a constant batch size; B is folded into h, so that it may change.
 * Defaults are the reference's: learningRate 1e-4, weightDecay 0.1.
 *
 * @example
 * const sophia = new Sophia({ values, gradients }, { learningRate: 1e-4, rho: { clippedFraction: 0.1 } });
 * await sophia.updateHessian({ batchSize: 512, prime: true });
 * const { clippedFraction } = await sophia.step({ zeroGradients: true });
 */
export class Sophia implements SecondOrderOptimizer {
  readonly parameters: OptimizerParameters;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly estimator: 'external' | 'gradient';
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly frozen: FlatBuffer<'u8'> | undefined;
  readonly #settings: SettingsBlock;
  readonly #clippedFraction: number;
  readonly #gradientBatchSize: number;
  readonly #layout: GroupLayout;
  readonly #state: OptimizerState<'exp_avg' | 'hessian'>;
  readonly #basis: RhoBasis;

  /** @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_OUT_OF_MEMORY */
  constructor(parameters: OptimizerParameters, options: SophiaOptions = {}) {
    checkNames('options', options, optionNames);
    checkParameters(parameters);
    this.parameters = { ...parameters };
    const { rho, clippedFraction, follow } = checkRho(valueOr(options.rho, sophiaDefaults.rho));
    this.betas = checkBetas(valueOr(options.betas, sophiaDefaults.betas));
    this.epsilon = checkNumber('epsilon', valueOr(options.epsilon, sophiaDefaults.epsilon), { low: 1e-38 });
    const shared = checkShared(options, sophiaDefaults);
    this.learningRate = shared.learningRate;
    this.weightDecay = shared.weightDecay;
    const denominator = checkChoice('denominator', valueOr(options.denominator, sophiaDefaults.denominator), [
      'sum',
      'max',
    ]);
    this.#clippedFraction = clippedFraction;
    const correct = valueOr(options.momentumBiasCorrection, clippedFraction > 0);
    const updates = valueOr(options.momentumUpdates, 1);
    if (updates !== 1 && updates !== 2) throw invalidArgument('momentumUpdates', '1 or 2', updates);
    this.#gradientBatchSize = checkEstimator(valueOr(options.estimator, 'external'));
    this.estimator = this.#gradientBatchSize > 0 ? 'gradient' : 'external';
    this.#basis = new RhoBasis({
      watched: clippedFraction > 0 && this.estimator === 'external',
      follow,
      beta2: this.betas[1],
    });
    this.#layout = layOutGroups(groupsOf(parameters, options), parameters.values.length);
    this.frozen = options.frozen;
    this.#state = new OptimizerState(this.parameters, options, ['exp_avg', 'hessian'], rho);
    this.#settings = new SettingsBlock({
      ...shared,
      beta1: this.betas[0] ** updates,
      beta2: this.betas[1],
      epsilon: this.epsilon,
      stochasticRounding: this.#state.stochasticRounding,
      denominatorMax: denominator === 'max',
      momentumBiasCorrection: checkBoolean('momentumBiasCorrection', correct),
      clippedFraction,
      estimateClipped: this.estimator === 'gradient',
    });
  }

  /**
   * Sophia as the SOUL repository (arXiv 2404.18239) runs it: the square of the clipped gradient itself, times 5120, is
   * averaged into h at every step, and m is updated twice. In effect nearly every coordinate is clipped.
   */
  static soulRepo(parameters: OptimizerParameters, overrides: SophiaOptions = {}): Sophia {
    checkNames('overrides', overrides, optionNames);
    return new Sophia(parameters, { ...soulRepoDefaults, ...withoutUndefined(overrides) });
  }

  /** The scale of the curvature; NaN until the first step sets it from a fraction. */
  get rho(): number {
    return this.#state.control[slots.rho]!;
  }

  get state(): SophiaState {
    return {
      step: this.#state.step,
      estimates: this.#state.control[slots.estimates]!,
      momentum: this.#state.average('exp_avg'),
      hessian: this.#state.average('hessian'),
      master: this.#state.master,
    };
  }

  /**
   * Averages an estimate into the Hessian diagonal: h <- beta2 * h + (1 - beta2) * B * g * g.
   *
   * An estimate in parts that cannot be finished is given up by part 0 of a new one with `prime: true`, which sets h.
   *
   * @returns whether a gradient that is not finite was left out; a part left out counts as 0
   * @throws SoulError SOUL_INVALID_ARGUMENT, also for parts out of order; SOUL_ALIASED, SOUL_RELEASED, SOUL_DETACHED
   */
  async updateHessian(options: UpdateHessianOptions): Promise<{ skipped: boolean }> {
    checkNames('options', options, ['from', 'batchSize', 'prime', 'part', 'zeroGradients', 'exact']);
    this.#state.checkAlive();
    this.#checkExternal('updateHessian');
    const [part, parts] = checkPart(valueOr(options.part, [0, 1]));
    const prime = checkBoolean('prime', valueOr(options.prime, false));
    const zeroes = checkBoolean('zeroGradients', valueOr(options.zeroGradients, false));
    const exact = checkBoolean('exact', valueOr(options.exact, false));
    const source = nativeMemory(this.#checkSource(options, 'from'), 'from');
    const update = nativeAddon().hessianUpdate(
      nativeMemory(this.#state.average('hessian'), 'state.hessian'),
      source,
      this.#state.frozen,
      this.#state.control,
      this.#settings.with({
        batchSize: checkNumber('batchSize', options.batchSize, { lowExclusive: true }),
        prime,
        part,
        parts,
      }),
      this.#state.counters,
    );
    if (part === parts - 1) this.#basis.addEstimate(exact ? exactParts : parts, prime);
    const [numbers] = await Promise.all([update, zeroes ? nativeAddon().fill(source, 0) : undefined]);
    return { skipped: numbers[0] !== 0 };
  }

  /**
   * One step, and with `hessian` an estimate before it, in one pass over memory (and one read of the gradients before
   * it, for the guard or the clipping). When either gradient is not finite, neither happens.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT, also when an estimate in parts is unfinished, or when rho is given by a
   *   fraction and no estimate was made; SOUL_ALIASED, SOUL_RELEASED, SOUL_DETACHED. Nothing has changed then.
   */
  async step(options: SecondOrderStepOptions = {}): Promise<StepStatistics> {
    checkNames('options', options, ['learningRate', 'weightDecay', 'zeroGradients', 'hessian']);
    this.#state.checkAlive();
    const estimate = this.#estimateOf(options);
    const findRho = this.#basis.findsRho(estimate.from !== undefined);
    const stepped = nativeAddon().sophiaStep(
      ...this.#state.stepBuffers('exp_avg', 'hessian'),
      estimate.from && nativeMemory(estimate.from, 'hessian.from'),
      this.#state.control,
      this.#layout.segments,
      this.#settings.with({
        learningRate: checkNumber('learningRate', valueOr(options.learningRate, this.learningRate)),
        weightDecay: checkNumber('weightDecay', valueOr(options.weightDecay, this.weightDecay)),
        zeroGradients: checkBoolean('zeroGradients', valueOr(options.zeroGradients, false)),
        batchSize: estimate.batchSize,
        prime: estimate.prime,
        findRho,
      }),
      this.#state.counters,
    );
    if (estimate.from !== undefined) this.#basis.addEstimate(1, estimate.prime);
    const warning = this.#basis.addStep(findRho);
    let done = false;
    try {
      const statistics = stepStatistics(this.#layout, await stepped, true);
      done = !statistics.skipped;
      return { ...statistics, ...(warning === undefined ? {} : { warning }) };
    } finally {
      if (!done && findRho) this.#basis.findAtNextStep();
    }
  }

  /**
   * Writes `exp_avg`, `hessian` (with the batch size folded in, as the metadata says), `step`, the `master` where there is
   * one, and the rho that a fraction set. The values themselves are not written.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT when an estimate in parts is unfinished; SOUL_NOT_FOUND, SOUL_FILE_SYSTEM
   */
  async saveState(path: string): Promise<void> {
    const basis = this.#basis.metadata();
    await this.#state.save(path, (control) => ({
      optimizer: 'sophia',
      ...foldedMark,
      estimates: String(control[slots.estimates]),
      ...basis,
      // A rho that was given as a number is the caller's; one that a fraction set belongs to the state.
      ...(this.#clippedFraction > 0 && !Number.isNaN(control[slots.rho]) ? { rho: String(control[slots.rho]) } : {}),
    }));
  }

  /**
   * Reads a state back; await it before the next call. Moving averages may be F32 or BF16 in the file, whatever they are
   * here. Where there is a master here and none in the file, the values as they are now become it: load them first. A
   * file of another library, whose Hessian lacks the factor B, needs `{ batchSize }`.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED; SOUL_INVALID_ARGUMENT for another length or a
   *   batch size that is missing or too many. Nothing has changed then.
   */
  async loadState(path: string, options: LoadStateOptions = {}): Promise<void> {
    checkNames('options', options, ['batchSize']);
    const { batchSize } = options;
    if (batchSize !== undefined) checkNumber('batchSize', batchSize, { lowExclusive: true });
    await this.#state.load(path, async ({ hessian }, metadata) => {
      const folded = metadata.hessian_batch_size === foldedMark.hessian_batch_size;
      if (folded === (batchSize !== undefined)) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          folded
            ? `the Hessian in ${path} holds its batch size already; leave batchSize out`
            : `the Hessian in ${path} does not hold its batch size; give the label tokens of its estimates as { batchSize }`,
          { argument: 'batchSize', path },
        );
      }
      const rho = metadata.rho === undefined ? undefined : Number(metadata.rho);
      if (rho !== undefined && !(rho > 0 && Number.isFinite(rho))) {
        throw new SoulError('SOUL_BAD_FILE', `${path}: rho is ${describe(metadata.rho)}, not a positive number`, {
          path,
        });
      }
      const estimates = Number(metadata.estimates ?? 1);
      if (batchSize !== undefined) await scale(hessian, batchSize);
      return (control) => {
        if (this.#clippedFraction > 0) control[slots.rho] = rho ?? Number.NaN;
        this.#basis.restore(metadata);
        control[slots.estimates] = Number.isSafeInteger(estimates) && estimates >= 0 ? estimates : 1;
      };
    });
  }

  progress(): OptimizerProgress {
    const { buffers, counters } = this.#state.progress();
    return { buffers, counters: { ...counters, ...this.#basis.counters() } };
  }

  async resumeAt(counters: OptimizerProgress['counters']): Promise<void> {
    const resumeBasis = this.#basis.resumption(counters);
    await this.#state.resumeAt(counters);
    resumeBasis();
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

  /** The estimate that a step takes first; no `from`: none. */
  #estimateOf({ hessian }: SecondOrderStepOptions): {
    from: FlatBuffer | undefined;
    batchSize: number;
    prime: boolean;
  } {
    if (hessian !== undefined) {
      checkNames('hessian', hessian, ['from', 'batchSize', 'prime']);
      this.#checkExternal('hessian');
      return {
        from: this.#checkSource(hessian, 'hessian.from'),
        batchSize: checkNumber('hessian.batchSize', hessian.batchSize, { lowExclusive: true }),
        prime: checkBoolean('hessian.prime', valueOr(hessian.prime, false)),
      };
    }
    if (this.estimator === 'gradient') {
      return { from: this.parameters.gradients, batchSize: this.#gradientBatchSize, prime: false };
    }
    return { from: undefined, batchSize: 0, prime: false };
  }

  #checkExternal(argument: string): void {
    if (this.estimator === 'external') return;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${argument} is not for an optimizer whose estimator is the squared gradient: each step makes its own estimate`,
      { argument },
    );
  }

  /** The buffer an estimate is made from: the gradients, or one that shares no memory with what a step writes. */
  #checkSource({ from }: HessianSource, argument: string): FlatBuffer {
    const { values, gradients } = this.parameters;
    if (from === undefined || from === gradients) return gradients;
    checkAlike(argument, from, 'values', values, ['length', 'device']);
    if (from.dtype === 'u8') throw invalidArgument(`${argument}.dtype`, "'f32' or 'bf16'", from.dtype);
    checkApart(argument, from, 'values', values);
    checkApart(argument, from, 'state.momentum', this.#state.average('exp_avg'));
    checkApart(argument, from, 'state.hessian', this.#state.average('hessian'));
    const { master } = this.#state;
    if (master !== undefined) checkApart(argument, from, 'state.master', master);
    const address = (buffer: FlatBuffer): bigint => nativeAddon().describe(nativeMemory(buffer, argument)).address;
    const alike = address(from) === address(gradients) && from.dtype === gradients.dtype;
    if (overlaps(from, gradients) && !alike) {
      checkApart(argument, from, 'gradients', gradients);
    }
    return from;
  }
}

function checkRho(rho: unknown): { rho: number; clippedFraction: number; follow: boolean } {
  if (typeof rho === 'number') {
    return { rho: checkNumber('rho', rho, { lowExclusive: true }), clippedFraction: 0, follow: false };
  }
  checkNames('rho', rho, ['clippedFraction', 'follow']);
  const { clippedFraction, follow } = rho as { clippedFraction: unknown; follow?: unknown };
  const bounds = { high: 1, lowExclusive: true, highExclusive: true };
  return {
    rho: Number.NaN,
    clippedFraction: checkNumber('rho.clippedFraction', clippedFraction, bounds),
    follow: checkBoolean('rho.follow', valueOr(follow, false)),
  };
}

/** The batch size of the squared gradient, or 0 for an external estimator. */
function checkEstimator(estimator: NonNullable<SophiaOptions['estimator']>): number {
  if (estimator === 'external') return 0;
  if (typeof estimator !== 'object') {
    throw invalidArgument('estimator', "'external' or { squaredGradient: { batchSize } }", estimator);
  }
  checkNames('estimator', estimator, ['squaredGradient']);
  checkNames('estimator.squaredGradient', estimator.squaredGradient, ['batchSize']);
  return checkNumber('estimator.squaredGradient.batchSize', estimator.squaredGradient.batchSize, {
    lowExclusive: true,
  });
}

function checkPart(part: readonly [number, number]): readonly [number, number] {
  if (!Array.isArray(part) || part.length !== 2) throw invalidArgument('part', 'an array [i, n]', part);
  const [index, count] = part as [number, number];
  checkInteger('part[1]', count, { high: 2 ** 31 });
  return [checkInteger('part[0]', index, { low: 0, high: count - 1 }), count];
}
