/**
 * The settings of a whole run, and what their defaults are.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import type { Algorithm } from '../unlearn/algorithm.ts';
import {
  type CurvatureOptions,
  completeCurvatureOptions,
  completeHessianData,
  type HessianData,
} from '../unlearn/curvature.ts';
import { type Method, setsNeeded } from '../unlearn/method.ts';
import type { AlgorithmName, AlgorithmSettings } from '../unlearn/registry.ts';
import type { OptionalSet } from '../unlearn/source.ts';
import {
  checkOptimizer,
  completeOptimizerSettings,
  type OptimizerName,
  type OptimizerSettings,
} from './optimizer-choice.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { type SettingCheck, settingChecks } from './setting-checks.ts';

export interface RunSettings {
  /** Hugging Face folder of the model to begin with. */
  model: string;
  /** JSON lines that epochs run over: the forget set, or the training set of `method: 'finetune'`. */
  target: string;
  /** JSON lines to be kept: needed where the method has a retain term of any weight; also for the curvature. */
  retain?: string;
  /** Folder to be made. */
  out: string;
  /** An algorithm by its name, or one of your own; or a method of your own. */
  method: AlgorithmName | Algorithm | Method;
  /** The file that `method` came from, for the record, which has its SHA-256. */
  algorithmFile?: string;
  /** What belongs to the algorithm, by the names that `soul methods <name>` lists. */
  methodSettings?: AlgorithmSettings | Readonly<Record<string, unknown>>;
  /** 'adamw', 'sophia' or 'soul-repo'; the command line's default is 'sophia' to unlearn and 'adamw' to train. */
  optimizer: OptimizerName;
  /** What belongs to the optimizer. */
  optimizerSettings?: OptimizerSettings;
  /** How the optimizer sophia estimates the curvature. */
  curvature?: CurvatureOptions;
  /** Whose curvature that is, 'retain', 'forget' or 'both'; default the retain set's, where there is one. */
  hessianData?: HessianData;
  /** Passes over the target; default that of {@link defaultEpochs}, unless `steps` is given. */
  epochs?: number;
  /** Optimizer steps, in place of `epochs`. */
  steps?: number;
  /** Regular expression: of the model's tensors only those whose name matches are changed. Default all. */
  trainable?: string;
  /** Examples of the target in a step. Default 8. */
  batchSize?: number;
  /** Examples in memory at a time. Default `batchSize`. */
  microBatchSize?: number;
  /** What stands beside a target example: drawn 'fresh' in each epoch (default), or 'fixed', the same in all. */
  pairing?: 'fresh' | 'fixed';
  /** Shape of the learning rate after warm-up: 'constant', 'linear' (default) or 'cosine'. */
  schedule?: 'constant' | 'linear' | 'cosine';
  /** Share of the steps over which the learning rate rises. Default 0.1. */
  warmup?: number;
  /** File of refusals, one a line, in place of the built-in ones. */
  refusals?: string;
  /** File of other answers to the questions of the target, for methods that teach them. */
  alternatives?: string;
  /** Text with {question} and {answer}. */
  template?: string;
  /** Longest sequence in tokens; longer ones lose their end. Default the smaller of 512 and the model's own limit. */
  maximumLength?: number;
  /** Every random draw is a function of it. Default 0. */
  seed?: bigint;
  /** Examples of each set whose probability is measured before and after; 0 measures nothing. Default 100. */
  evaluate?: number;
  /** Goes on where examples of the target lose their end at the longest sequence. Default false: it is an error. */
  allowTruncation?: boolean;
  /** Goes on where examples of the target stand in the retain set, too. Default false: it is an error. */
  allowOverlap?: boolean;
  /** Replaces an out folder that an earlier run made. Default false. */
  overwrite?: boolean;
  /** How the model is loaded: device, dtype, threads. The command line loads it so; to `runTraining` it is for the record alone. */
  load?: Record<string, unknown>;
}

/** The settings of a run with every default filled in. */
export type CompleteRunSettings = RunSettings &
  Required<
    Pick<RunSettings, 'batchSize' | 'microBatchSize' | 'pairing' | 'schedule' | 'warmup' | 'template' | 'seed'>
  > &
  Required<
    Pick<
      RunSettings,
      'allowTruncation' | 'allowOverlap' | 'evaluate' | 'overwrite' | 'maximumLength' | 'optimizerSettings'
    >
  >;

/**
 * Fills in every default.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for settings that do not fit together or are out of range
 */
export function completeRunSettings(given: RunSettings, chosen: ChosenAlgorithm): CompleteRunSettings {
  checkEach(given);
  const settings: RunSettings = withoutUndefined(given);
  const optimizerSettings = completeOptimizerSettings(settings.optimizer, settings.optimizerSettings ?? {});
  checkOptimizer(settings.optimizer, optimizerSettings);
  const { name } = chosen.algorithm;
  const needs = neededSets(chosen);
  if (typeof settings.method !== 'string' && !('run' in settings.method) && settings.methodSettings !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'methodSettings are for a method that is given by its name', {
      argument: 'methodSettings',
    });
  }
  if (settings.steps !== undefined && settings.epochs !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'give steps or epochs, not both', { argument: 'steps' });
  }
  const { warmup = 0.1, batchSize = 8, schedule = 'linear' } = settings;
  const estimates =
    Object.keys(withoutUndefined(settings.curvature ?? {})).length > 0 || settings.hessianData !== undefined;
  if (settings.optimizer !== 'sophia' && estimates) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `curvature estimates (--hessian-...) belong to the optimizer sophia, not to ${settings.optimizer}`,
      { argument: 'curvature' },
    );
  }
  if (needs.includes('retain') && settings.retain === undefined) {
    const weightless =
      'retainCoefficient' in chosen.algorithm.settings ? ', or give it no weight (--retain-weight 0)' : '';
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${name} keeps a retain set; name its file (--retain)${weightless}`,
      { argument: 'retain' },
    );
  }
  for (const [file, option] of [
    ['refusals', '--refusals'],
    ['alternatives', '--alternatives'],
  ] as const) {
    if (settings[file] === undefined || needs.includes(file)) continue;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${file} (${option}) are of no use to the method ${name}`, {
      argument: file,
    });
  }
  return {
    pairing: 'fresh',
    template: PromptTemplate.plain.text,
    maximumLength: 512,
    seed: 0n,
    evaluate: 100,
    allowTruncation: false,
    allowOverlap: false,
    overwrite: false,
    microBatchSize: batchSize,
    ...settings,
    warmup,
    batchSize,
    schedule,
    optimizerSettings,
    ...(settings.optimizer === 'sophia'
      ? {
          curvature: completeCurvatureOptions(settings.curvature ?? {}),
          hessianData: completeHessianData(settings.hessianData, settings.retain !== undefined),
        }
      : {}),
  };
}

/** Settings of steps that were given to an algorithm that takes none. */
export function idleSettings(given: RunSettings, { learningRates }: ChosenAlgorithm): string[] {
  if (learningRates !== undefined) return [];
  const { epochs, steps, schedule, warmup, optimizerSettings } = given;
  const ofSteps = { learningRate: optimizerSettings?.learningRate, epochs, steps, schedule, warmup };
  return Object.keys(withoutUndefined(ofSteps));
}

/** The sets that an algorithm needs with these settings, beside its target. */
export function neededSets({ algorithm, settings, method }: ChosenAlgorithm): readonly OptionalSet[] {
  return method ? setsNeeded(method) : algorithm.needs(settings as never);
}

const checks: Readonly<Record<keyof RunSettings, SettingCheck>> = settingChecks;
const required: readonly string[] = ['model', 'target', 'out', 'method', 'optimizer'] satisfies (keyof RunSettings)[];

/** Checks every setting that is there, each by itself. */
function checkEach(settings: RunSettings): void {
  checkNames('settings', settings, Object.keys(checks));
  for (const [name, check] of Object.entries(checks)) {
    const value = settings[name as keyof RunSettings];
    if (value !== undefined || required.includes(name)) check(value, name);
  }
}
