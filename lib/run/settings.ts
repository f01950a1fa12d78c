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
  const defaults = fallbacks();
  return {
    ...defaults,
    microBatchSize: settings.batchSize ?? defaults.batchSize,
    ...settings,
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

function fallbacks(): Required<Pick<Given, WithDefault>> {
  const all = Object.entries(runSettings as RunSchema).map(([name, entry]) => [
    name,
    entry.kind === 'group' ? undefined : entry.fallback,
  ]);
  return withoutUndefined(Object.fromEntries(all)) as never;
}
