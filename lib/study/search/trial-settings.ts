/**
 * Every setting of a trial's descent.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { completeOptimizerSettings, type OptimizerName, type OptimizerSettings } from '../../run/optimizer-choice.ts';
import {
  type ChosenAlgorithm,
  chooseAlgorithm,
  defaultEpochs,
  defaultLearningRate,
  takesTurns,
} from '../../run/run-defaults.ts';
import {
  type CurvatureOptions,
  completeCurvatureOptions,
  completeHessianData,
  type HessianData,
} from '../../unlearn/curvature.ts';
import type { DescentOptions } from '../../unlearn/descent-options.ts';
import { settingsInFull } from '../../unlearn/inner-method.ts';
import { algorithm } from '../../unlearn/registry.ts';
import type { Study, StudyMethod, StudyOptimizer } from '../definition/study.ts';
import type { TrialTask } from '../trial/record.ts';
import { fourDigits } from './halton.ts';
import { withRetainCoefficient } from './retain-coefficient.ts';

/** What a trial is run with. */
export interface TrialSettings {
  /** The method, or the algorithm that it runs inside, with its settings. */
  readonly chosen: ChosenAlgorithm;
  /** {@link ChosenAlgorithm.settings}, those of a method inside in full, as a record has them. */
  readonly methodSettings: Readonly<Record<string, unknown>>;
  readonly optimizer: OptimizerName;
  /** In full, the learning rate among them. */
  readonly optimizerSettings: OptimizerSettings;
  /** Where the optimizer takes estimates. */
  readonly curvature?: Required<CurvatureOptions>;
  readonly hessianData?: HessianData;
  /** Of every descent of a lab: its length, batches, schedule and estimates. */
  readonly descent: DescentOptions;
  /** Decides the batches: of a draw the same for all optimizers and trials. */
  readonly seed: bigint;
}

/** What the defaults depend on. */
export interface TrialModel {
  /** How many weights the model has. */
  readonly weights: number;
  /** How many examples are to be forgotten. */
  readonly examples: number;
}

/** Of a run where nothing is said. */
const schedule = { shape: 'linear', warmup: 0.1 } as const;

/** The settings of one trial: a function of the study and the task alone, and of the sizes that defaults depend on. */
export function trialSettings(study: Study, task: TrialTask, { weights, examples }: TrialModel): TrialSettings {
  const { draw, searched } = task;
  const own = named(study.optimizers, task.optimizer, 'optimizer');
  const { optimizer, ratesOf = optimizer } = own;
  const chosen = chosenOf(named(study.methods, task.method, 'method'), own, searched.retainCoefficient);
  const settings = settingsOf(own, study.dtype, searched.clippedFraction);
  // A rate that belongs to another optimizer knows nothing of this one's settings.
  const usual = defaultLearningRate(ratesOf, chosen, weights, ratesOf === optimizer ? settings : undefined);
  const estimates = estimatesOf(own);
  const { epochs, steps, batchSize, microBatchSize } = study.training;
  const length =
    steps === undefined
      ? {
          epochs:
            epochs ?? defaultEpochs(chosen.algorithm, Math.ceil(examples / batchSize), false, takesTurns(chosen)),
        }
      : { steps };
  return {
    chosen,
    methodSettings: settingsInFull(chosen.algorithm, chosen.settings),
    optimizer,
    optimizerSettings: { ...settings, learningRate: fourDigits(searched.learningRateFactor * usual) },
    ...estimates,
    descent: { ...length, batchSize, microBatchSize: microBatchSize ?? batchSize, schedule, ...estimates },
    seed: BigInt.asUintN(64, study.seed + BigInt(draw)),
  };
}

/**
 * A method as an optimizer takes it: by itself, or inside the optimizer's algorithm.
 *
 * @param retainCoefficient in place of the method's own
 * @throws SoulError SOUL_INVALID_ARGUMENT where the method cannot be inside
 */
export function chosenOf(
  method: StudyMethod,
  { inside }: Pick<StudyOptimizer, 'inside'>,
  retainCoefficient?: number,
): ChosenAlgorithm {
  const { settings: schema } = algorithm(method.name);
  const settings =
    retainCoefficient === undefined
      ? method.settings
      : withRetainCoefficient({ settings: schema }, method.settings, retainCoefficient);
  if (inside === undefined) return chooseAlgorithm(method.name, settings);
  const setting = Object.entries(algorithm(inside).settings).find(([, { kind }]) => kind === 'method')?.[0];
  if (setting === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${inside} has no method inside; take mezo, fo-zo or sam`, {
      argument: 'inside',
    });
  }
  return chooseAlgorithm(inside, { [setting]: { name: method.name, ...settings } });
}

/** The settings of an optimizer in full, but for the learning rate. */
export function settingsOf(
  { optimizer, settings }: StudyOptimizer,
  dtype: Study['dtype'],
  clippedFraction?: number,
): OptimizerSettings {
  const precision = dtype === 'bf16' ? { master: 'f32', ...settings.precision } : settings.precision;
  return completeOptimizerSettings(optimizer, {
    ...settings,
    ...withoutUndefined({ clippedFraction, precision }),
  } as OptimizerSettings);
}

/** How an optimizer estimates curvature, in full; nothing where it takes no estimates. */
export function estimatesOf({
  optimizer,
  curvature,
  hessianData,
}: StudyOptimizer): Required<Pick<TrialSettings, 'curvature' | 'hessianData'>> | Record<string, never> {
  if (optimizer !== 'sophia') return {};
  return { curvature: completeCurvatureOptions(curvature), hessianData: completeHessianData(hessianData, true) };
}

function named<Entry extends { readonly name: string }>(entries: readonly Entry[], name: string, what: string): Entry {
  const found = entries.find((entry) => entry.name === name);
  if (found) return found;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `the study has no ${what} ${name}; its tasks come from tasksOf(study)`, {
    argument: 'task',
  });
}
