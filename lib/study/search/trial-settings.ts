/**
 * Every setting of a trial's descent.
 *
 * @module
 */

import type { OptimizerName, OptimizerSettings } from '../../run/optimizer-choice.ts';
import { type ChosenAlgorithm, defaultEpochs, defaultLearningRate, takesTurns } from '../../run/run-defaults.ts';
import { runSettings } from '../../run/run-settings.ts';
import type { DescentOptions } from '../../unlearn/descent-options.ts';
import { settingsInFull } from '../../unlearn/inner-method.ts';
import { algorithm } from '../../unlearn/registry.ts';
import { chosenOf, type Estimates, estimatesOf, settingsOf } from '../definition/inside.ts';
import type { Study, StudyMethod } from '../definition/study.ts';
import type { TrialTask } from '../trial/record.ts';
import { entryNamed } from './entry.ts';
import { fourDigits } from './halton.ts';
import { withRetainCoefficient } from './retain-coefficient.ts';

/** What a trial is run with; estimates where the optimizer takes them. */
export interface TrialSettings extends Partial<Estimates> {
  /** The method, or the algorithm that it runs inside, with its settings. */
  readonly chosen: ChosenAlgorithm;
  /** Those settings, of a method inside in full, as a record has them. */
  readonly methodSettings: Readonly<Record<string, unknown>>;
  readonly optimizer: OptimizerName;
  /** In full, the learning rate among them. */
  readonly optimizerSettings: OptimizerSettings;
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

/** As runs have it where nothing is said. */
const schedule = { shape: runSettings.schedule.fallback, warmup: runSettings.warmup.fallback };

/** The settings of one trial: a function of the study and the task, and of the sizes that defaults depend on. */
export function trialSettings(study: Study, task: TrialTask, { weights, examples }: TrialModel): TrialSettings {
  const { draw, searched } = task;
  const own = entryNamed('optimizer', study.optimizers, task.optimizer);
  const { optimizer, ratesOf = optimizer } = own;
  const chosen = chosenOf(searchedMethod(entryNamed('method', study.methods, task.method), task), own);
  const settings = settingsOf(own, searched.clippedFraction);
  // A rate that belongs to another optimizer knows nothing of this one's settings.
  const usual = defaultLearningRate(ratesOf, chosen, weights, ratesOf === optimizer ? settings : undefined);
  const estimates = estimatesOf(own);
  const { batchSize, microBatchSize = batchSize } = study.training;
  return {
    chosen,
    methodSettings: settingsInFull(chosen.algorithm, chosen.settings),
    optimizer,
    optimizerSettings: { ...settings, learningRate: fourDigits(searched.learningRateFactor * usual) },
    ...estimates,
    descent: { ...lengthOf(study, chosen, examples), batchSize, microBatchSize, schedule, ...estimates },
    seed: BigInt.asUintN(64, study.seed + BigInt(draw)),
  };
}

/** A method with the retain coefficient of a trial. */
function searchedMethod(method: StudyMethod, { searched: { retainCoefficient } }: TrialTask): StudyMethod {
  if (retainCoefficient === undefined) return method;
  const settings = withRetainCoefficient(algorithm(method.name), method.settings, retainCoefficient);
  return { ...method, settings };
}

/** How long a trial is: as the study says, else as a run is. */
function lengthOf(
  { training: { epochs, steps, batchSize } }: Study,
  chosen: ChosenAlgorithm,
  examples: number,
): Pick<DescentOptions, 'epochs' | 'steps'> {
  if (steps !== undefined) return { steps };
  return {
    epochs: epochs ?? defaultEpochs(chosen.algorithm, Math.ceil(examples / batchSize), false, takesTurns(chosen)),
  };
}
