/**
 * What a descent is told, checked before anything is run.
 *
 * @module
 */

import { type Cancellable, checkSignal } from '../core/cancellation.ts';
import { checkChoice, checkInteger, checkNumber } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { type FlatBuffer, isSameMemory } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import type { DifferentiableLM, ReferenceLM } from '../model/contract.ts';
import { checkSequences } from '../model/token-batch.ts';
import type { Optimizer, SecondOrderOptimizer } from '../optim/optimizer.ts';
import { constant, cosine, linear, type Schedule } from '../optim/schedules.ts';
import { type CurvatureOptions, completeCurvatureOptions, completeHessianData, type HessianData } from './curvature.ts';
import { type Draws, drawsOf } from './draws.ts';
import type { StepEvent } from './events.ts';
import type { Journal } from './journal.ts';
import { checkSets, type Method, needsReferenceModel, weightedTerms } from './method.ts';
import type { TermValue } from './pull-back.ts';
import { checkGives } from './quantity.ts';
import type { DataSets } from './source.ts';
import type { Term } from './term.ts';
import { turnsOf } from './turns.ts';

/** What a descent works on; a {@link Lab} is one. */
export interface DescentInput extends Cancellable {
  readonly model: DifferentiableLM;
  /** Steps `model.parameters`, of this very model. */
  readonly optimizer: Optimizer | SecondOrderOptimizer;
  readonly sets: DataSets;
  /** The starting model, where a term's quantity compares with it; it must not change. */
  readonly referenceModel?: ReferenceLM;
  /** Every draw is a function of it. Default 0n. */
  readonly seed?: bigint;
  /**
   * Keeps how far the descent has come, and has what an earlier process kept of the same one, to go on from: with an optimizer made
   * anew by the same options, and the model as the descent found it.
   */
  readonly journal?: Journal;
}

/** A schedule by its shape; its length is the descent's. */
export interface ScheduleShape {
  readonly shape: 'constant' | 'linear' | 'cosine';
  /** Share of the steps over which the learning rate rises. Default 0. */
  readonly warmup?: number;
}

export interface DescentOptions {
  /** Passes over the target set; where terms take turns, rounds of these. Default 5. Not with `steps`. */
  epochs?: number;
  /** Optimizer steps, whatever part of an epoch that is. Not with `epochs`. */
  steps?: number;
  /** Target sequences a step, and as many examples of each other source beside them; of a turn's own set as many. Default 8. */
  batchSize?: number;
  /** Sequences in memory at a time; a step's gradient is the same for any value. Default `batchSize`. */
  microBatchSize?: number;
  /** Tokens in memory at a time; an example that has more comes by itself. Default: no bound but `microBatchSize`. */
  batchTokens?: number;
  /**
   * The retain sequence (and the refusal) beside a target sequence: drawn afresh in each epoch (default), or the same in all,
   * as TOFU's code has it.
   */
  pairing?: 'fresh' | 'fixed';
  /** Factor on the learning rate at each step, or its shape. Default constant. */
  schedule?: Schedule | ScheduleShape;
  /** Peak learning rate. Default the optimizer's own. */
  learningRate?: number;
  /** How the Hessian diagonal is estimated; only for a second-order optimizer that takes estimates. */
  curvature?: CurvatureOptions;
  /** Whose curvature that is. Default the retain set's, where there is one. */
  hessianData?: HessianData;
  /** What an algorithm does within the steps. */
  hooks?: DescentHooks;
}

/** Where an algorithm takes part in a descent. */
export interface DescentHooks {
  /**
   * Makes the gradient of a term, which `pull` adds to the model's gradients. They are 0 before it for the first term, and with a
   * gradient rule for each. Those of weights that the optimizer leaves as they are (`frozen`) are 0 after it.
   *
   * @param place what makes another gradient in place of that one: added to the model's gradients, times the coefficient
   */
  aroundTerm?(term: Term, pull: () => Promise<TermValue>, place: TermPlace): Promise<TermValue>;
  /** The gradients are whole, and may be added to. */
  beforeStep?(now: StepPlace): Promise<void>;
  /**
   * The parameters were stepped, and may be changed.
   *
   * @param stepped what the optimizer steps: the model's values, or the float32 master that it keeps of bf16 ones. A change must be
   *   made there, and then copied to the values; the next step would undo one that the values alone have.
   */
  afterStep?(event: StepEvent, stepped: FlatBuffer): Promise<void>;
  /** What they remember from step to step, where a descent that is resumed must have it again. */
  readonly stored?: HookMemory;
}

/** Read where progress is kept, and filled in place where a descent is resumed. */
export interface HookMemory {
  readonly buffers?: Readonly<Record<string, FlatBuffer>>;
  /** Hooks write to it; always the same names. */
  readonly numbers?: Record<string, number>;
}

/** A term within a step. */
export interface TermPlace {
  /** From 0. */
  readonly step: number;
  readonly steps: number;
  /** What the term counts in this step. */
  readonly coefficient: number;
  /** What the optimizer steps: the model's values, or the float32 master that it keeps of bf16 ones, whose values are its nearest bf16. */
  readonly stepped: FlatBuffer;
  /** The weights that the optimizer leaves as they are. */
  readonly frozen: FlatBuffer<'u8'> | undefined;
  /** The term's loss over the step's sequences at the values as they are, by scoring alone; the gradients stay. */
  evaluate(): Promise<TermValue>;
}

/** Where in a descent a step is. */
export interface StepPlace {
  /** From 0. */
  readonly step: number;
  readonly steps: number;
  /** Epochs before it, a fraction. */
  readonly epoch: number;
  readonly learningRate: number;
}

export interface CheckedDescent {
  readonly input: DescentInput;
  readonly model: DifferentiableLM;
  readonly optimizer: Optimizer | SecondOrderOptimizer;
  readonly method: Method;
  /** The method's terms that have a weight. */
  readonly terms: readonly Term[];
  /** For each turn its terms, by their places; without turns one of all. */
  readonly turns: readonly (readonly number[])[];
  readonly hooks: DescentHooks;
  readonly draws: Draws;
  readonly seed: bigint;
  readonly steps: number;
  readonly epochs: number;
  readonly microBatchSize: number;
  readonly batchTokens: number | undefined;
  readonly learningRate: number;
  readonly schedule: Schedule;
  /** What estimates are made with, for an optimizer that takes them. */
  readonly curvature:
    | { optimizer: SecondOrderOptimizer; options: Required<CurvatureOptions>; data: HessianData }
    | undefined;
}

export const descentOptionNames = [
  'epochs',
  'steps',
  'batchSize',
  'microBatchSize',
  'batchTokens',
  'pairing',
  'schedule',
  'learningRate',
  'curvature',
  'hessianData',
  'hooks',
] as const satisfies readonly (keyof DescentOptions)[];

/** @throws SoulError SOUL_INVALID_ARGUMENT */
export function checkDescent(input: DescentInput, method: Method, options: DescentOptions): CheckedDescent {
  checkNames('options', options, descentOptionNames);
  const { model, optimizer, sets, seed = 0n } = input;
  const { pairing = 'fresh', hooks = {} } = options;
  checkSequences('target', sets?.target, model?.vocabularySize);
  if (sets.target.length === 0) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'target holds no sequence to train on', { argument: 'target' });
  }
  if (sets.retain !== undefined) checkSequences('retain', sets.retain, model?.vocabularySize);
  const terms = weightedTerms(method);
  checkOptimizer(optimizer, model);
  checkSignal('signal', input.signal);
  checkSets(method, sets);
  for (const { name, quantity } of terms) checkGives(model, name, quantity);
  checkNames('hooks', hooks, ['aroundTerm', 'beforeStep', 'afterStep', 'stored']);
  checkNames('hooks.stored', hooks.stored ?? {}, ['buffers', 'numbers']);
  checkJournal('journal', input.journal);
  if (needsReferenceModel(method) && input.referenceModel === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${method.name} compares with the starting model; give it as referenceModel`,
      { argument: 'referenceModel' },
    );
  }
  if (options.steps !== undefined && options.epochs !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'give steps or epochs, not both', { argument: 'steps' });
  }
  const curvature = completeCurvatureOptions(options.curvature ?? {});
  const batchSize = checkInteger('batchSize', options.batchSize ?? 8);
  const turns = method.turns && turnsOf(method.turns, terms, ({ source }) => source(sets));
  const draws = drawsOf({ seed, target: sets.target.length, batchSize, pairing, ...(turns ? { turns } : {}) });
  const given = options.steps === undefined ? undefined : checkInteger('steps', options.steps);
  const epochs = options.epochs ?? (given === undefined ? 5 : given / draws.stepsPerEpoch);
  if (!(Number.isFinite(epochs) && epochs > 0)) throw invalidArgument('epochs', 'a number above 0', epochs);
  const steps = given ?? Math.max(1, Math.round(epochs * draws.stepsPerEpoch));
  const learningRate = options.learningRate ?? optimizer.learningRate;
  if (!(Number.isFinite(learningRate) && learningRate >= 0)) {
    throw invalidArgument('learningRate', 'a finite number of at least 0', learningRate);
  }
  return {
    input,
    model,
    optimizer,
    method,
    terms,
    turns: turns?.map((turn) => turn.terms) ?? [[...terms.keys()]],
    hooks,
    draws,
    seed,
    steps,
    epochs,
    microBatchSize: checkInteger('microBatchSize', options.microBatchSize ?? batchSize),
    batchTokens: options.batchTokens === undefined ? undefined : checkInteger('batchTokens', options.batchTokens),
    learningRate,
    schedule: scheduleOf(options.schedule, steps),
    curvature: takesEstimates(optimizer)
      ? {
          optimizer,
          options: curvature,
          data: completeHessianData(options.hessianData, (sets.retain?.length ?? 0) > 0),
        }
      : undefined,
  };
}

/** The terms that take part in a step, by their places. */
export function termsAt({ turns, draws }: CheckedDescent, step: number): readonly number[] {
  return turns[draws.turn(step)]!;
}

function checkJournal(argument: string, journal: Journal | undefined): void {
  if (journal === undefined || typeof journal?.rest === 'function') return;
  throw invalidArgument(argument, 'a journal, with a function rest', journal);
}

function scheduleOf(schedule: DescentOptions['schedule'], steps: number): Schedule {
  if (schedule === undefined) return constant();
  if (typeof schedule === 'function') return schedule;
  checkNames('schedule', schedule, ['shape', 'warmup']);
  const { shape, warmup = 0 } = schedule;
  checkChoice('schedule.shape', shape, ['constant', 'linear', 'cosine']);
  const warmupSteps = Math.round(checkNumber('schedule.warmup', warmup, { high: 1 }) * steps);
  if (shape === 'constant') return constant({ warmupSteps });
  return shape === 'linear' ? linear({ warmupSteps, steps }) : cosine({ warmupSteps, steps });
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
