/**
 * Optimizers by name, with the defaults that runs of unlearning take.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { ParameterLayout } from '../model/parameter-layout.ts';
import type { Optimizer, OptimizerParameters, ParameterGroup, SecondOrderOptimizer } from '../optim/optimizer.ts';
import type { LearningRates } from '../unlearn/algorithm.ts';
import { type OptimizerSettings, type OwnSetting, optimizerSchema, sharedSettings } from './optimizer-settings.ts';
import { adamw } from './optimizers/adamw.ts';
import { sgd } from './optimizers/sgd.ts';
import { sign } from './optimizers/sign.ts';
import { sophia } from './optimizers/sophia.ts';
import { soulRepo } from './optimizers/soul-repo.ts';
import { publishedSize, type RunOptimizer } from './run-optimizer.ts';
import { checkValues, type RunSchema } from './run-setting.ts';

export type { OptimizerSettings } from './optimizer-settings.ts';

/** In the order of help. */
const optimizers = [adamw, sophia, soulRepo, sign, sgd] as const satisfies readonly RunOptimizer[];

export type OptimizerName = (typeof optimizers)[number]['name'];

/** Each optimizer's name on the command line, with a line that says what it is. */
export const optimizerNames = Object.fromEntries(optimizers.map(({ name, text }) => [name, text])) as Record<
  OptimizerName,
  string
>;

/** Moving averages that an optimizer keeps. */
export function averagesOf(name: OptimizerName): number {
  return optimizerOf(name).averages;
}

/** Settings of an optimizer in a run; all are written to run.json. */
export const optimizerSettings = describedSettings();

function optimizerOf(name: OptimizerName): RunOptimizer {
  return optimizers.find((each) => each.name === name)!;
}

/** The optimizers that have a setting. */
function ownersOf(setting: string): RunOptimizer[] {
  return optimizers.filter(({ settings }) => [...sharedSettings, ...settings].some((own) => own === setting));
}

/** The schema, in which settings that not all have say whose they are, and each what it is where it is not given. */
function describedSettings(): typeof optimizerSchema {
  const described = Object.entries(optimizerSchema as RunSchema).map(([name, entry]) => {
    if (entry.kind === 'group') return [name, entry];
    const owners = ownersOf(name).map((owner) => owner.name);
    const text = owners.length === optimizers.length ? entry.text : `${owners.join(', ')}: ${entry.text}`;
    if (entry.otherwise !== undefined) return [name, { ...entry, text }];
    const otherwise = defaultOf(name);
    return [name, { ...entry, text, ...(otherwise === '' ? {} : { otherwise }) }];
  });
  return Object.fromEntries(described);
}

/** What a setting is where it is not given, in words: one value, or each optimizer's own. */
function defaultOf(setting: string): string {
  const namesOf = new Map<string, string[]>();
  for (const optimizer of optimizers) {
    const value = (optimizer.defaults({}) as Record<string, unknown>)[setting];
    if (value === undefined) continue;
    const text = typeof value === 'number' && value > 0 && value < 1e-3 ? value.toExponential() : String(value);
    namesOf.set(text, [...(namesOf.get(text) ?? []), optimizer.name]);
  }
  const [[text, names] = ['', []], ...others] = namesOf;
  if (others.length === 0 && names.length > 1) return text;
  return [...namesOf].map(([value, owners]) => `${value} for ${inWords(owners)}`).join(', ');
}

function inWords(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), names.at(-1)].filter((part) => part !== '').join(' and ');
}

/**
 * The settings with every default filled in.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a setting of another optimizer, or rho given twice
 */
export function completeOptimizerSettings(name: OptimizerName, given: OptimizerSettings): OptimizerSettings {
  checkValues('optimizerSettings', optimizerSettings, given, 'optimizerSettings.');
  const settings: OptimizerSettings = withoutUndefined(given);
  const optimizer = optimizerOf(name);
  const known: readonly string[] = [...sharedSettings, ...optimizer.settings];
  for (const setting of Object.keys(settings)) {
    if (known.includes(setting)) continue;
    const owners = inWords(ownersOf(setting as OwnSetting).map((owner) => owner.name));
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${setting} is a setting of ${owners}, not of ${name}`, {
      argument: setting,
    });
  }
  return { ...optimizer.defaults(settings), ...settings };
}

/** What a run with adapters takes of settings that are complete for one without, where nothing else was given. */
export function settingsWithAdapters(
  name: OptimizerName,
  settings: OptimizerSettings,
  given: OptimizerSettings = {},
): OptimizerSettings {
  return { ...settings, ...optimizerOf(name).adapterDefaults?.(settings), ...withoutUndefined(given) };
}

/** The peak learning rates of an algorithm for 7 billion weights, those that it does not name too. */
export function learningRatesOf(rates: LearningRates): Record<OptimizerName, number> {
  const entries = optimizers.map((optimizer: RunOptimizer) => {
    const rate = rates[optimizer.name] ?? optimizer.rateFrom!(rates);
    return [optimizer.name, Number(rate.toPrecision(2))];
  });
  return Object.fromEntries(entries);
}

/** The learning rate that a run of so many weights takes of one for 7 billion. */
export function rateForSize(
  name: OptimizerName,
  rate: number,
  weights: number,
  settings: OptimizerSettings = {},
  hasAdapters = false,
): number {
  const { rateOfRun, adapterFactor } = optimizerOf(name);
  const own = rateOfRun?.(rate, settings) ?? rate * Math.sqrt(publishedSize / weights);
  return Number((own * (hasAdapters ? adapterFactor : 1)).toPrecision(2));
}

/** What a rate for 7 billion weights is multiplied by for a run of so many, without rounding. */
export function sizeFactor(name: OptimizerName, weights: number, settings: OptimizerSettings = {}): number {
  return optimizerOf(name).rateOfRun?.(1, settings) ?? Math.sqrt(publishedSize / weights);
}

/** Makes an optimizer over a model's parameters, from settings with every default filled in. */
export function createOptimizer(
  name: OptimizerName,
  parameters: OptimizerParameters & { layout: ParameterLayout },
  settings: OptimizerSettings,
  more: { frozen?: FlatBuffer<'u8'>; seed?: bigint } = {},
): Optimizer | SecondOrderOptimizer {
  const { learningRateScales, weightDecays, ...own } = settings;
  const parameterGroups = groupsOf(parameters.layout, learningRateScales, weightDecays);
  return optimizerOf(name).make(parameters, { ...own, ...more, ...withoutUndefined({ parameterGroups }) });
}

/** The layout's groups with settings of their own; undefined where there are none, and the layout's hold as they are. */
function groupsOf(
  layout: ParameterLayout,
  scales: OptimizerSettings['learningRateScales'],
  decays: OptimizerSettings['weightDecays'],
): ParameterGroup[] | undefined {
  if (scales === undefined && decays === undefined) return undefined;
  return layout.ranges().map((range) => {
    // The two factors of adapters are matrices.
    const kind = range.name === 'A' || range.name === 'B' ? 'matrix' : range.name;
    return {
      ...range,
      ...withoutUndefined({ learningRateScale: scales?.[kind] }),
      ...withoutUndefined({ weightDecay: decays?.[kind] }),
    };
  });
}

/**
 * Lets the optimizer itself check its settings, over no parameters.
 *
 * @param dtype of the weights, where that is known
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkOptimizer(name: OptimizerName, settings: OptimizerSettings, dtype?: unknown): void {
  const known = dtype === 'f32' || dtype === 'bf16' ? dtype : undefined;
  const options = { dtype: known ?? (settings.precision?.master === 'f32' ? 'bf16' : 'f32') } as const;
  const [values, gradients] = [FlatBuffer.alloc(0, options), FlatBuffer.alloc(0, options)];
  createOptimizer(name, { values, gradients, layout: ParameterLayout.of([]) }, settings);
}
