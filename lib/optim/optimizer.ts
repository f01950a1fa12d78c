/**
 * What every optimizer shows to a training loop.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { Precision } from './precision.ts';

/**
 * Two buffers of the same length, dtype (f32 or bf16) and device: what is optimized, and what the backward pass adds to. They
 * must not share memory. The optimizer's state lies on their device, and steps are computed there.
 */
export interface OptimizerParameters {
  readonly values: FlatBuffer;
  readonly gradients: FlatBuffer;
  /**
   * Where the parameters lie in both, as a model's `parameters` have it: gives the parameter groups where none are given, and
   * the names of state files.
   */
  readonly layout?: BufferLayout;
}

/** Where named parameters lie in a buffer; `ParameterLayout` is one. What lies between them is padding, which stays 0. */
export interface BufferLayout
  extends Iterable<[string, { readonly offset: number; readonly shape: readonly number[] }]> {
  /** Elements of the buffer, padding included. */
  readonly length: number;
  /** Parameter groups that an optimizer takes where none are given. */
  ranges?(): readonly ParameterGroup[];
}

/** A range of the buffers with settings of its own. Elements outside every range take the optimizer's. */
export interface ParameterGroup {
  /** Shown in the statistics; `'embedding'` also means {@link ParameterGroup.embedding}. */
  name?: string;
  /** First element. */
  start: number;
  /** Number of elements. */
  length: number;
  /** Default the optimizer's, or the step's. */
  weightDecay?: number;
  /** Factor on the learning rate. Default 1. */
  learningRateScale?: number;
  /** Rows that no batch has touched have no curvature, so embeddings don't count when rho is set by a fraction. */
  embedding?: boolean;
}

/** Options that all optimizers share. */
export interface OptimizerOptions {
  /** Step size, at least 0. */
  learningRate?: number;
  /** Decoupled weight decay: values shrink by `learningRate * weightDecay` of themselves in each step. */
  weightDecay?: number;
  /** Ranges with their own settings, in any order, without overlap. Default those of the parameters' layout; `[]`: none. */
  parameterGroups?: readonly ParameterGroup[];
  /** The gradient is scaled so that its norm is at most this, as torch's `clip_grad_norm_` does. Default no bound. */
  clipNorm?: number;
  /** Steps up the gradient instead of down. Default false. */
  maximize?: boolean;
  /**
   * A gradient that holds NaN or infinity: `'skip'` (default) leaves everything as it was and reports it, at the cost of
   * one more read of the gradient; `'propagate'` doesn't look.
   */
  nonFinite?: 'skip' | 'propagate';
  /**
   * Weights that are treated as if they were not there: neither they nor their moving averages change, and their
   * gradients count for nothing. A buffer of dtype u8 with a bit for each weight: weight i is frozen where bit `i % 8` of
   * byte `i / 8` is set, on the device of the values. It is read at every step, so bits may be changed between steps.
   */
  frozen?: FlatBuffer<'u8'>;
  /** Storage of the moving averages, and of a float32 master of bf16 values. */
  precision?: Precision;
  /** Of stochastic rounding, which is a function of (seed, step, weight) on every device. Default 0n. */
  seed?: bigint;
}

/** What one step may be told. */
export interface StepOptions {
  /** In place of the optimizer's, for this step. */
  learningRate?: number;
  /** In place of the optimizer's, for this step; groups with a weight decay of their own keep it. */
  weightDecay?: number;
  /**
   * Sets the gradients to 0 in the same pass. A step that is skipped leaves them: where backward adds to them, zero them then
   * (`if (skipped) await gradients.fill(0)`). Default false.
   */
  zeroGradients?: boolean;
}

/** What one step did to a group. */
export interface GroupStatistics {
  name: string;
  length: number;
  /** Weights of it that are not frozen; fractions are of these. */
  stepped: number;
  /** Share of weights whose ratio reached 1; only of optimizers that clip coordinates. */
  clippedFraction?: number;
  /** Share of weights that the step changed. */
  changedFraction: number;
}

/** What one step did. */
export interface StepStatistics {
  /** Steps taken, this one included; skipped ones don't count. */
  step: number;
  /** True when the gradient was not finite: then nothing has changed. */
  skipped: boolean;
  /** Weights that are not frozen; fractions are of these. 0 when skipped. */
  stepped: number;
  /** Scale of the curvature; NaN until it is set. Only of Sophia. */
  rho?: number;
  /**
   * What about this optimizer should be mended, in a sentence; absent where nothing is known to be wrong. Of Sophia: that rho was
   * set from an estimate of too few parts.
   */
  warning?: string;
  /** Share of weights whose ratio |m| / (rho * h) reached 1. Only of Sophia. */
  clippedFraction?: number;
  /** Share of weights that the step changed; rounding may leave a weight as it was. */
  changedFraction: number;
  /** Euclidean norm of the gradient before clipping. */
  gradientNorm: number;
  /** The parameter groups as they were given, then `'default'` for what lies outside them. */
  groups: GroupStatistics[];
}

/**
 * Steps `values` by `gradients`. Calls take effect in their order, awaited or not. One that is not awaited reads the buffers when
 * its turn comes: what JavaScript writes to their arrays before that is seen by it, so await it first, or write to other memory.
 *
 * On a CUDA device a call puts the whole step on the device's stream, the guard, the clipping and the counters with it, and
 * waits for nothing: a step that is not awaited costs the time of enqueueing it. The promise resolves with the statistics when
 * the device is done; `state.step` counts the steps whose promises have resolved.
 */
export interface Optimizer {
  /** The buffers that it steps. */
  readonly parameters: OptimizerParameters;
  readonly learningRate: number;
  /** The weights that it leaves as they are ({@link OptimizerOptions.frozen}). A descent's gradient rule does without them too. */
  readonly frozen?: FlatBuffer<'u8'> | undefined;
  readonly state: { readonly step: number };
  step(options?: StepOptions): Promise<StepStatistics>;
  /** Writes the state, as it is when all earlier calls are done, to a safetensors file. */
  saveState(path: string): Promise<void>;
  /** Reads a state back; await it before the next call. */
  loadState(path: string, options?: LoadStateOptions): Promise<void>;
  /**
   * Everything that later steps depend on, bit for bit, beside the options, the values and the gradients. To be asked where no call is
   * pending. Absent: a descent cannot keep its progress with this optimizer.
   */
  progress?(): OptimizerProgress;
  /**
   * Goes on from counters that {@link Optimizer.progress} gave an optimizer of the same options; the caller fills the buffers.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT, before anything is changed
   */
  resumeAt?(counters: OptimizerProgress['counters']): Promise<void>;
  /** Gives the state's memory up after all earlier calls; the parameters stay. */
  release(): Promise<void>;
}

/** Where an optimizer stands, as it lies in memory. */
export interface OptimizerProgress {
  /** Live memory, not copies: moving averages, a float32 master of bf16 values. */
  readonly buffers: Readonly<Record<string, FlatBuffer>>;
  /** Counts, and scales that were found along the way; NaN: not set yet. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface LoadStateOptions {
  /** Label tokens of the estimates in a file whose Hessian does not hold that factor yet. */
  batchSize?: number;
}

/** Which buffer an estimate of the Hessian diagonal is made from. */
export interface HessianSource {
  /**
   * Gradient of the mean loss over `batchSize` label tokens that were drawn from the model. Default the optimizer's gradients:
   * what the estimate leaves there counts in the next step, so zero them ({@link UpdateHessianOptions.zeroGradients}).
   */
  from?: FlatBuffer;
  /** Number of label tokens B in the mean. */
  batchSize: number;
  /** Sets the diagonal to this estimate instead of averaging it in. Default false. */
  prime?: boolean;
}

export interface UpdateHessianOptions extends HessianSource {
  /**
   * [i, n]: this is chunk i, from 0, of n of one estimate, which is their mean; chunks come in order. Chunk 0 with `prime`
   * gives up an estimate that is unfinished.
   */
  part?: readonly [number, number];
  /** Sets what the estimate was made from to 0 afterwards, where it was left out too. Default false. */
  zeroGradients?: boolean;
  /** The estimate is no mean over samples, and so has no noise that a rho found by a fraction would suffer from. Default false. */
  exact?: boolean;
}

export interface SecondOrderStepOptions extends StepOptions {
  /** An estimate to take before the step, in the same pass. */
  hessian?: HessianSource;
}

/** An optimizer that also takes estimates of the Hessian diagonal. */
export interface SecondOrderOptimizer extends Optimizer {
  /** `'external'` takes estimates from `updateHessian`; `'gradient'` makes its own from each step's gradient. */
  readonly estimator: 'external' | 'gradient';
  /** `estimates` counts those that the Hessian diagonal holds, whole ones, a loaded state's included. */
  readonly state: { readonly step: number; readonly estimates: number };
  step(options?: SecondOrderStepOptions): Promise<StepStatistics>;
  updateHessian(options: UpdateHessianOptions): Promise<{ skipped: boolean }>;
}
