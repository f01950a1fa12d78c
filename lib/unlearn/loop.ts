/**
 * The loop: epochs over the set to be forgotten (or learned), a step at a time.
 *
 * @module
 */

import { type Cancellable, checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger, checkNumber } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { isSameMemory } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { checkSequence, checkSequences, type TokenSequence } from '../model/token-batch.ts';
import type { Optimizer, SecondOrderOptimizer, StepStatistics } from '../optim/optimizer.ts';
import type { Schedule } from '../optim/schedules.ts';
import { constant } from '../optim/schedules.ts';
import {
  type CurvatureEstimate,
  type CurvatureOptions,
  type CurvaturePlan,
  completeCurvatureOptions,
  completeHessianData,
  curvaturePlan,
  estimateCurvature,
  type HessianData,
} from './curvature.ts';
import { type Draws, drawsOf } from './draws.ts';
import { type Method, type Term, weightedTerms } from './methods.ts';
import { pullBack, type TermValue } from './pull-back.ts';
import { referenceValues } from './reference-values.ts';

export interface TrainingOptions extends Cancellable {
  model: DifferentiableLM;
  /** Steps `model.parameters`, of this very model; made and released by the caller. */
  optimizer: Optimizer | SecondOrderOptimizer;
  method: Method;
  /** The set that epochs run over: the forget set, or the training set of plain fine-tuning. */
  target: readonly TokenSequence[];
  /** The set to be kept; needed where the method has a retain term of any weight. */
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
  /** Ends the run between two passes of the model, with SOUL_CANCELLED; a step whose update has begun is whole. */
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
  /** Losses of the method's terms, without coefficients, in nats; absent where a term is, or its coefficient is 0. */
  losses: { target?: number; retain?: number };
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
 * Minimises the method's loss over the target set, in place. Terms of weight 0 are left out.
 *
 * When it fails or is cancelled, parameters and optimizer are as after the last whole step, and the gradients are 0. Of a
 * curvature estimate that was under way, the chunks that were done stay in the Hessian diagonal ({@link estimateCurvature}).
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for options that do not fit together, SOUL_NON_FINITE when a loss stops being
 *   finite or gradients stay non-finite for 5 steps, SOUL_CANCELLED when the signal fires, with its reason as the cause
 */
export async function train(options: TrainingOptions): Promise<TrainingSummary> {
  const run = checked(options);
  const { gradients } = run.model.parameters;
  const progress = { done: 0 };
  try {
    return await trainSteps(run, options, progress);
  } catch (error) {
    // What was pulled back belongs to no step. A device that failed cannot do it.
    await gradients.fill(0).catch(() => {});
    if (error instanceof SoulError && error.code === 'SOUL_CANCELLED') {
      throwIfCancelled(options.signal, `the run was cancelled after ${progress.done} of ${run.steps} steps`, {
        done: progress.done,
        total: run.steps,
      });
    }
    throw error;
  }
}

async function trainSteps(
  run: CheckedRun,
  options: TrainingOptions,
  progress: { done: number },
): Promise<TrainingSummary> {
  const { model, optimizer, target, retain, draws, steps, terms } = run;
  const { microBatchSize } = run;
  const { signal } = options;
  const cancellable = signal === undefined ? {} : { signal };
  const { gradients } = model.parameters;
  const reference = terms.target?.objective.needsReference
    ? await referenceValues(model, target, microBatchSize, cancellable)
    : undefined;

  // Calls that nobody awaited come before it: afterwards the optimizer knows how many estimates it holds.
  await gradients.fill(0);
  const primed = run.curvature !== undefined && run.curvature.optimizer.state.estimates > 0;
  const curvaturePlanned = run.curvature && planOf(run.curvature, primed);
  const begun = performance.now();
  let curvatureSeconds = 0;
  let tokens = 0;
  let skippedSteps = 0;
  let skippedInARow = 0;
  let last: StepEvent | undefined;

  for (let step = 0; step < steps; step++) {
    throwIfCancelled(signal, `the run was cancelled after ${step} of ${steps} steps`);
    const stepBegun = performance.now();
    let curvature: CurvatureEstimate | undefined;
    if (run.curvature && curvaturePlanned && step % curvaturePlanned.every === 0) {
      curvature = await estimateCurvature(model, run.curvature.optimizer, curvaturePlanned.chunksAt(step), {
        prime: step === 0 && !primed,
        ...(curvaturePlanned.labels === 'sampled'
          ? { labelSeed: (chunk: number) => draws.labelSeed(step, chunk) }
          : {}),
        ...cancellable,
      });
      curvatureSeconds += curvature.seconds;
    }

    const indices = draws.target(step);
    let targetValue: TermValue | undefined;
    if (terms.target) {
      targetValue = await pullBack(model, terms.target, targetSequences(run, options, step, indices), {
        microBatchSize,
        ...(reference ? { reference: indices.map((index) => reference[index]!) } : {}),
        ...cancellable,
      });
      requireFinite(targetValue.loss, 'target', step, options);
    }
    let retainValue: TermValue | undefined;
    if (terms.retain) {
      const partners = indices.map((index) => retain![draws.retain(step, index)]!);
      retainValue = await pullBack(model, terms.retain, partners, { microBatchSize, ...cancellable });
      requireFinite(retainValue.loss, 'retain', step, options);
    }

    const factor = checkNumber(`schedule(${step})`, run.schedule(step));
    const learningRate = run.learningRate * factor;
    const statistics = await optimizer.step({ learningRate, zeroGradients: true });
    progress.done = step + 1;
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

    const stepTokens = (targetValue?.tokens ?? 0) + (retainValue?.tokens ?? 0);
    tokens += stepTokens;
    last = {
      step: step + 1,
      steps,
      epoch: Math.min((step + 1) / draws.stepsPerEpoch, run.epochs),
      epochs: run.epochs,
      losses: {
        ...(targetValue ? { target: targetValue.loss } : {}),
        ...(retainValue ? { retain: retainValue.loss } : {}),
      },
      loss: weighted(terms.target, targetValue) + weighted(terms.retain, retainValue),
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

/** The target examples of a step, with their own answers or a refusal in their place. */
function targetSequences(
  { method, target, draws }: CheckedRun,
  { model, refusals }: TrainingOptions,
  step: number,
  indices: readonly number[],
): TokenSequence[] {
  return indices.map((index) => {
    if (method.target.answers === 'given') return target[index]!;
    const refusal = draws.refusal(step, index);
    const sequence: unknown = refusals!.of(index, refusal);
    checkSequence(`refusals.of(${index}, ${refusal})`, sequence, model.vocabularySize);
    return sequence;
  });
}

/** An optimizer that holds an estimate goes on with it: nothing primes it then. */
function planOf({ options, data, sets, seed }: CurvatureOfRun, primed: boolean): CurvaturePlan {
  return curvaturePlan(primed ? { ...options, primingChunks: options.chunks } : options, data, sets, seed);
}

interface CheckedRun {
  model: DifferentiableLM;
  optimizer: Optimizer | SecondOrderOptimizer;
  method: Method;
  /** The method's terms that have a weight. */
  terms: { target?: Term; retain?: Term };
  target: readonly TokenSequence[];
  retain: readonly TokenSequence[] | undefined;
  draws: Draws;
  steps: number;
  epochs: number;
  microBatchSize: number;
  learningRate: number;
  schedule: Schedule;
  curvature: CurvatureOfRun | undefined;
}

/** What the estimates of a run are made with, for an optimizer that takes them. */
interface CurvatureOfRun {
  optimizer: SecondOrderOptimizer;
  options: Required<CurvatureOptions>;
  data: HessianData;
  sets: { target: readonly TokenSequence[]; retain: readonly TokenSequence[] | undefined };
  seed: bigint;
}

const optionNames = [
  'model',
  'optimizer',
  'method',
  'target',
  'retain',
  'refusals',
  'epochs',
  'steps',
  'batchSize',
  'microBatchSize',
  'pairing',
  'schedule',
  'learningRate',
  'curvature',
  'hessianData',
  'seed',
  'onStep',
  'signal',
] as const satisfies readonly (keyof TrainingOptions)[];

function checked(options: TrainingOptions): CheckedRun {
  checkNames('options', options, optionNames);
  const { model, optimizer, method, target, retain, refusals, pairing = 'fresh', seed = 0n } = options;
  checkSequences('target', target, model?.vocabularySize);
  if (target.length === 0) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'target holds no sequence to train on', { argument: 'target' });
  }
  if (retain !== undefined) checkSequences('retain', retain, model?.vocabularySize);
  const terms = weightedTerms(method);
  checkOptimizer(optimizer, model);
  checkSignal('signal', options.signal);
  for (const name of ['schedule', 'onStep'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'function') throw invalidArgument(name, 'a function', value);
  }
  if (terms.retain && !retain?.length) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${method.name} keeps a retain set, but retain holds no sequence`,
      { argument: 'retain' },
    );
  }
  if (terms.target && method.target.answers === 'refusal' && !(refusals && refusals.count > 0)) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `the method ${method.name} needs at least one refusal`, {
      argument: 'refusals',
    });
  }
  if (options.steps !== undefined && options.epochs !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'give steps or epochs, not both', { argument: 'steps' });
  }
  const curvature = completeCurvatureOptions(options.curvature ?? {});
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
    terms,
    target,
    retain,
    draws,
    steps: steps ?? Math.max(1, Math.round(epochs * draws.stepsPerEpoch)),
    epochs,
    microBatchSize: checkInteger('microBatchSize', options.microBatchSize ?? batchSize),
    learningRate,
    schedule: options.schedule ?? constant(),
    curvature: takesEstimates(optimizer)
      ? {
          optimizer,
          options: curvature,
          data: completeHessianData(options.hessianData, (retain?.length ?? 0) > 0),
          sets: { target, retain },
          seed,
        }
      : undefined,
  };
}

/** Steps of other buffers would leave the model as it is, without a word. */
function checkOptimizer(optimizer: Optimizer | SecondOrderOptimizer, model: DifferentiableLM): void {
  if (typeof optimizer?.step !== 'function') throw invalidArgument('optimizer', 'an optimizer', optimizer);
  if (typeof model?.parameters !== 'object') throw invalidArgument('model', 'a DifferentiableLM', model);
  for (const which of ['values', 'gradients'] as const) {
    const [own, stepped] = [model.parameters[which], optimizer.parameters?.[which]];
    if (stepped !== undefined && isSameMemory(own, stepped)) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the optimizer steps other ${which} than the model's; make it with model.parameters of this very model`,
      { argument: 'optimizer', buffer: which },
    );
  }
}

function takesEstimates(optimizer: Optimizer | SecondOrderOptimizer): optimizer is SecondOrderOptimizer {
  return 'updateHessian' in optimizer && optimizer.estimator === 'external';
}

function weighted(term: Term | undefined, value: TermValue | undefined): number {
  return term && value ? term.coefficient * value.loss : 0;
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
