/**
 * The settings of a whole run, and what their defaults are.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { completeCurvatureOptions, completeHessianData } from '../unlearn/curvature.ts';
import { setsNeeded } from '../unlearn/method.ts';
import type { OptionalSet } from '../unlearn/source.ts';
import { checkOptimizer, completeOptimizerSettings } from './optimizer-choice.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { checkValues, type RunSchema, type ValuesOf } from './run-setting.ts';
import { runSettings } from './run-settings.ts';
import { flagOf } from './setting-flags.ts';
import { setsOf, untilConditions } from './until.ts';

type Given = ValuesOf<typeof runSettings>;

const needed = ['model', 'target', 'out', 'method', 'optimizer'] as const satisfies (keyof Given)[];

/** {@link runSettings}, each of which may be left out but for those that every run needs. */
export type RunSettings = Given & Required<Pick<Given, (typeof needed)[number]>>;

/** The settings of a run with every default filled in. */
export type CompleteRunSettings = RunSettings &
  Required<Pick<Given, WithDefault | 'microBatchSize' | 'optimizerSettings'>>;

/** What has a default of its own in the list. */
type WithDefault = {
  [Name in keyof Given]-?: (typeof runSettings)[Name] extends { readonly fallback: infer Fallback }
    ? undefined extends Fallback
      ? never
      : Name
    : never;
}[keyof Given];

/**
 * Fills in every default.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for settings that do not fit together or are out of range
 */
export function completeRunSettings(given: RunSettings, chosen: ChosenAlgorithm): CompleteRunSettings {
  checkValues('settings', runSettings, given);
  for (const name of needed) runSettings[name].check(name, given[name]);
  const settings: RunSettings = withoutUndefined(given);
  const optimizerSettings = completeOptimizerSettings(settings.optimizer, settings.optimizerSettings ?? {});
  checkOptimizer(settings.optimizer, optimizerSettings, settings.load?.dtype);
  const { name } = chosen.algorithm;
  const needs = neededSets(chosen);
  if (typeof settings.method !== 'string' && !('run' in settings.method) && settings.methodSettings !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'methodSettings are for a method that is given by its name', {
      argument: 'methodSettings',
    });
  }
  const { optimizers } = chosen.algorithm;
  if (optimizers !== undefined && !optimizers.includes(settings.optimizer)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${name} cannot be stepped by ${settings.optimizer}; take --optimizer ${optimizers.join(' or ')}`,
      { argument: 'optimizer', optimizers },
    );
  }
  const estimates =
    Object.keys(withoutUndefined(settings.curvature ?? {})).length > 0 || settings.hessianData !== undefined;
  if (settings.optimizer !== 'sophia' && estimates) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `curvature estimates (--hessian-...) belong to the optimizer sophia, not to ${settings.optimizer}`,
      { argument: 'curvature' },
    );
  }
  if (settings.retainRest && settings.targetFilter === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'what is left of the files to forget can be kept (--retain-rest) where a filter leaves something (--forget-filter)',
      { argument: 'retainRest' },
    );
  }
  if (settings.retainFilter !== undefined && !keepsExamples(settings)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'there is nothing to keep for the filter (--retain-filter): name a file (--retain)',
      {
        argument: 'retainFilter',
      },
    );
  }
  if (needs.includes('retain') && !keepsExamples(settings)) {
    const rest = settings.targetFilter === undefined ? '' : ', keep the rest of the files (--retain-rest)';
    const weightless =
      'retainCoefficient' in chosen.algorithm.settings ? ', or give it no weight (--retain-weight 0)' : '';
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the method ${name} keeps a retain set; name its file (--retain)${rest}${weightless}`,
      { argument: 'retain' },
    );
  }
  checkEndings(settings, chosen);
  checkEvaluations(settings);
  for (const [setting, set, what] of [
    ['refusals', 'refusals', 'refusals (--refusals) are'],
    ['alternatives', 'alternatives', 'alternatives (--alternatives) are'],
    ['generateAlternatives', 'alternatives', 'other answers (--generate-alternatives) are'],
  ] as const) {
    if (settings[setting] === undefined || needs.includes(set)) continue;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${what} of no use to the method ${name}`, { argument: setting });
  }
  const defaults = fallbacks();
  return {
    ...defaults,
    microBatchSize: settings.batchSize ?? defaults.batchSize,
    ...settings,
    optimizerSettings,
    ...(settings.optimizer === 'sophia'
      ? {
          curvature: completeCurvatureOptions(settings.curvature ?? {}),
          hessianData: completeHessianData(settings.hessianData, keepsExamples(settings)),
        }
      : {}),
  };
}

/** Whether a run has examples to keep. */
function keepsExamples({ retain, retainRest }: Partial<RunSettings>): boolean {
  return retain !== undefined || retainRest === true;
}

/** Settings that let a run end elsewhere than it would. */
function checkEndings(settings: RunSettings, { algorithm: { name, endsAnywhere } }: ChosenAlgorithm): void {
  const { until, untilEvery, best, keepOnStop, finish, resume, evaluate } = settings;
  const refuse = (argument: keyof RunSettings, message: string) => {
    throw new SoulError('SOUL_INVALID_ARGUMENT', message, { argument });
  };
  if (finish && !resume) refuse('finish', '--finish is of use with --resume alone');
  for (const [argument, value] of Object.entries({ until, keepOnStop, finish })) {
    if (!value || endsAnywhere) continue;
    refuse(
      argument as keyof RunSettings,
      `${flagOf(argument)} is not for ${name}: what it comes to is not its weights on the way` +
        ' (an algorithm of which they are says so with endsAnywhere: true)',
    );
  }
  if (until === undefined) {
    if (untilEvery !== undefined) refuse('untilEvery', '--until-every is of use with --until alone');
    if (best) refuse('best', '--best is of use with --until alone');
    return;
  }
  if (evaluate === 0) refuse('until', '--until looks at what is measured; give --evaluate more than 0 examples');
  if (!keepsExamples(settings) && setsOf(untilConditions('until', until)).includes('retain')) {
    refuse('until', '--until speaks of the retain set, but there is none (--retain)');
  }
}

/** Settings of evaluations on the way. */
function checkEvaluations({ evaluate, evaluateEvery, evaluateData, ...others }: RunSettings): void {
  const refuse = (argument: keyof RunSettings, message: string) => {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${flagOf(argument)} ${message}`, { argument });
  };
  if (evaluateEvery !== undefined && evaluate === 0)
    refuse('evaluateEvery', 'measures --evaluate examples; give more than 0');
  if (evaluateEvery === undefined) {
    const { evaluateFigures, evaluateFilter } = others;
    for (const [name, value] of Object.entries({ evaluateFigures, evaluateData, evaluateFilter })) {
      if (value !== undefined) refuse(name as keyof RunSettings, 'is of use with --evaluate-every alone');
    }
  }
  if (others.evaluateFilter !== undefined && evaluateData === undefined) {
    refuse('evaluateFilter', 'chooses among the examples of --evaluate-data; name files');
  }
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

function fallbacks(): Required<Pick<Given, WithDefault>> {
  const all = Object.entries(runSettings as RunSchema).map(([name, entry]) => [
    name,
    entry.kind === 'group' ? undefined : entry.fallback,
  ]);
  return withoutUndefined(Object.fromEntries(all)) as never;
}
