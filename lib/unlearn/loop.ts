/**
 * The loop: epochs over the set to be forgotten (or learned), a step at a time.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { Optimizer, SecondOrderOptimizer, StepStatistics } from '../optim/optimizer.ts';
import type { Schedule } from '../optim/schedules.ts';
import { constant } from '../optim/schedules.ts';
import {
  type CurvatureEstimate,
  type CurvatureOptions,
  type CurvaturePlan,
  curvaturePlan,
  estimateCurvature,
  type HessianData,
} from './curvature.ts';
import { type Draws, drawsOf } from './draws.ts';
import type { Method, Term } from './methods.ts';
import { pullBack, type TermValue } from './pull-back.ts';
import { referenceValues } from './reference-values.ts';

export interface TrainingOptions {
  model: DifferentiableLM;
  /** Steps `model.parameters`; made and released by the caller. */
  optimizer: Optimizer | SecondOrderOptimizer;
  method: Method;
  /** The set that epochs run over: the forget set, or the training set of plain fine-tuning. */
  target: readonly TokenSequence[];
  /** The set to be kept; needed where the method has a retain term. */
  retain?: readonly TokenSequence[];
  /** For methods that teach refusals: `of(i, r)` is the question of target sequence i with refusal r, of `count`, as its answer. */
  refusals?: { readonly count: number; of(target: number, refusal: number): TokenSequence };
  /** Passes over the target set. Default 5. Not with `steps`. */
  epochs?: number;
  /** Optimizer steps, whatever part of an epoch that is. Not with `epochs`. */
  steps?: number;
  /** Target sequences a step, and as many retain sequences beside them. Default 8. */
  batchSize?: number;
  /** Sequences in memory at a time; a step's gradient is the same for any value. Default `batchSize`. */
  microBatchSize?: number;
  /**
   * The retain sequence (and the refusal) beside a target sequence: drawn afresh in each epoch (default), or the same in all,
   * as TOFU's code has it.
   */
  pairing?: 'fresh' | 'fixed';
  /** Factor on the learning rate at each step. Default constant. */
  schedule?: Schedule;
  /** Peak learning rate. Default the optimizer's own. */
  learningRate?: number;
  /** How the Hessian diagonal is estimated; only for a second-order optimizer that takes estimates. */
  curvature?: CurvatureOptions;
  /** Whose curvature that is. Default the retain set's, where there is one. */
  hessianData?: HessianData;
  /** Every draw of the run is a function of it. Default 0n. */
  seed?: bigint;
  /** Called after each step; the next one waits for it. */
  onStep?: (event: StepEvent) => void | Promise<void>;
  /** Ends the run after the step under way, with SOUL_CANCELLED. */
  signal?: AbortSignal;
}

/** What one step did. */
export interface StepEvent {
  /** Counted from 1. */
  step: number;
  steps: number;
  /** Epochs done after this step, a fraction. */
  epoch: number;
  epochs: number;
  /** Losses of the method's terms, without coefficients: `target` and `retain`, in nats. */
  losses: { target: number; retain?: number };
  /** The loss that was minimised: the terms with their coefficients. */
  loss: number;
  learningRate: number;
  statistics: StepStatistics;
  /** The curvature estimate made before this step. */
  curvature?: CurvatureEstimate;
  /** Label tokens pulled back in this step, the estimate's not counted. */
  tokens: number;
  /** Duration of the step, the estimate included. */
  seconds: number;
}

export interface TrainingSummary {
  steps: number;
  skippedSteps: number;
  seconds: number;
  /** Share of `seconds` spent on curvature estimates. */
  curvatureShare: number;
  tokens: number;
  last: StepEvent;
}

const consecutiveSkipsAllowed = 4;

/**
 * Minimises the method's loss over the target set, in place.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for options that do not fit together, SOUL_NON_FINITE when a loss stops being
 *   finite or gradients stay non-finite for 5 steps, SOUL_CANCELLED when the signal fires
 */
export async function train(options: TrainingOptions): Promise<TrainingSummary> {
  const run = checked(options);
  const { model, optimizer, method, target, retain, draws, steps } = run;
  const { gradients } = model.parameters;
  const reference = method.target.objective.needsReference
    ? await referenceValues(model, target, run.microBatchSize)
    : undefined;

  await gradients.fill(0);
  const begun = performance.now();
  let curvatureSeconds = 0;
  let tokens = 0;
  let skippedSteps = 0;
  let skippedInARow = 0;
  let last: StepEvent | undefined;

  for (let step = 0; step < steps; step++) {
    if (options.signal?.aborted) {
      throw new SoulError('SOUL_CANCELLED', `the run was cancelled after ${step} of ${steps} steps`);
    }
    const stepBegun = performance.now();
    let curvature: CurvatureEstimate | undefined;
    if (run.curvature && step % run.curvature.every === 0) {
      const prime = step === 0;
      const { labels } = run.curvature;
      curvature = await estimateCurvature(model, optimizer as SecondOrderOptimizer, run.curvature.chunksAt(step), {
        prime,
        ...(labels === 'sampled' ? { labelSeed: (chunk: number) => draws.labelSeed(step, chunk) } : {}),
      });
      curvatureSeconds += curvature.seconds;
    }

    const indices = draws.target(step);
    const targetSequences = indices.map((index) =>
      method.target.answers === 'refusal' ? options.refusals!.of(index, draws.refusal(step, index)) : target[index]!,
    );
    const targetValue = await pullBack(model, method.target, targetSequences, {
      microBatchSize: run.microBatchSize,
      ...(reference ? { reference: indices.map((index) => reference[index]!) } : {}),
    });
    requireFinite(targetValue.loss, 'target', step, options);
    let retainValue: TermValue | undefined;
    if (method.retain && retain?.length) {
      const partners = indices.map((index) => retain[draws.retain(step, index)]!);
      retainValue = await pullBack(model, method.retain, partners, { microBatchSize: run.microBatchSize });
      requireFinite(retainValue.loss, 'retain', step, options);
    }

    const learningRate = run.learningRate * run.schedule(step);
    const statistics = await optimizer.step({ learningRate, zeroGradients: true });
    if (statistics.skipped) {
      await gradients.fill(0);
      skippedSteps += 1;
      skippedInARow += 1;
      if (skippedInARow > consecutiveSkipsAllowed) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the gradient was not finite in ${skippedInARow} steps in a row, up to step ${step + 1}; lower the learning rate`,
          { step: step + 1 },
        );
      }
    } else {
      skippedInARow = 0;
    }

    const stepTokens = targetValue.tokens + (retainValue?.tokens ?? 0);
    tokens += stepTokens;
    last = {
      step: step + 1,
      steps,
      epoch: Math.min((step + 1) / draws.stepsPerEpoch, run.epochs),
      epochs: run.epochs,
      losses: { target: targetValue.loss, ...(retainValue ? { retain: retainValue.loss } : {}) },
      loss:
        weighted(method.target, targetValue) +
        (method.retain && retainValue ? weighted(method.retain, retainValue) : 0),
      learningRate,
      statistics,
      ...(curvature ? { curvature } : {}),
      tokens: stepTokens,
      seconds: (performance.now() - stepBegun) / 1000,
    };
    await options.onStep?.(last);
  }

  const seconds = (performance.now() - begun) / 1000;
  return { steps, skippedSteps, seconds, curvatureShare: curvatureSeconds / seconds, tokens, last: last! };
}

interface CheckedRun {
  model: DifferentiableLM;
  optimizer: Optimizer | SecondOrderOptimizer;
  method: Method;
  target: readonly TokenSequence[];
  retain: readonly TokenSequence[] | undefined;
  draws: Draws;
  steps: number;
  epochs: number;
  microBatchSize: number;
  learningRate: number;
  schedule: Schedule;
  curvature: CurvaturePlan | undefined;
}

function checked(options: TrainingOptions): CheckedRun {
  const { model, optimizer, method, target, retain, refusals, pairing = 'fresh', seed = 0n } = options;
  if (target.length === 0)
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'target holds no sequence to train on', { argument: 'target' });
  if (method.retain && method.retain.coefficient !== 0 && !retain?.length) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${method.name} keeps a retain set, but retain holds no sequence`,
      {
        argument: 'retain',
      },
    );
  }
  if (method.target.answers === 'refusal' && !(refusals && refusals.count > 0)) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `the method ${method.name} needs at least one refusal`, {
      argument: 'refusals',
    });
  }
  if (options.steps !== undefined && options.epochs !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'give steps or epochs, not both', { argument: 'steps' });
  }
  const batchSize = checkInteger('batchSize', options.batchSize ?? 8);
  const draws = drawsOf({
    seed,
    target: target.length,
    retain: retain?.length ?? 0,
    refusals: refusals?.count ?? 0,
    batchSize,
    pairing,
  });
  const steps = options.steps === undefined ? undefined : checkInteger('steps', options.steps);
  const epochs = options.epochs ?? (steps === undefined ? 5 : steps / draws.stepsPerEpoch);
  if (!(Number.isFinite(epochs) && epochs > 0)) throw invalidArgument('epochs', 'a number above 0', epochs);
  const learningRate = options.learningRate ?? optimizer.learningRate;
  if (!(Number.isFinite(learningRate) && learningRate >= 0)) {
    throw invalidArgument('learningRate', 'a finite number of at least 0', learningRate);
  }
  return {
    model,
    optimizer,
    method,
    target,
    retain,
    draws,
    steps: steps ?? Math.max(1, Math.round(epochs * draws.stepsPerEpoch)),
    epochs,
    microBatchSize: checkInteger('microBatchSize', options.microBatchSize ?? batchSize),
    learningRate,
    schedule: options.schedule ?? constant(),
    curvature: takesEstimates(optimizer)
      ? curvaturePlan(options.curvature ?? {}, options.hessianData, { target, retain }, seed)
      : undefined,
  };
}

function takesEstimates(optimizer: Optimizer | SecondOrderOptimizer): optimizer is SecondOrderOptimizer {
  return 'updateHessian' in optimizer && optimizer.estimator === 'external';
}

function weighted(term: Term, value: TermValue): number {
  return term.coefficient * value.loss;
}

function requireFinite(loss: number, term: 'target' | 'retain', step: number, options: TrainingOptions): void {
  if (Number.isFinite(loss)) return;
  throw new SoulError(
    'SOUL_NON_FINITE',
    `the ${term} loss of ${options.method.name} is ${loss} at step ${step + 1}: the model has diverged. ` +
      'Lower the learning rate, raise the retain coefficient, or take an objective that is bounded (npo)',
    { step: step + 1, term, loss },
  );
}
