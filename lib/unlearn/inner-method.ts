/**
 * The method that an algorithm puts something around, with settings of its own.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { Algorithm, LearningRates } from './algorithm.ts';
import type { Method } from './method.ts';
import { methods } from './methods/index.ts';
import { completeSettings, type Setting } from './setting.ts';

/** A method's name, or its settings with it: `{ name: 'npo', beta: 0.2 }`; without a name, that of the default. */
export type InnerMethod = string | { readonly name?: string; readonly [setting: string]: unknown };

/** The setting of an inner method, and what it may be. */
export interface InnerMethodSetting extends Setting<InnerMethod> {
  readonly inner: readonly Algorithm[];
}

/** Fine-tuning inside would teach what is to be forgotten. */
const inner = methods.filter(({ name }) => name !== 'finetune') as unknown as readonly Algorithm[];

/** A setting of an inner method, npo where none is named; `more` are algorithms that it may be beside the methods. */
export function innerMethodOf(text: string, more: readonly Algorithm[] = []): InnerMethodSetting {
  const all = [...inner, ...more];
  return {
    text,
    kind: 'method',
    expected: "a method's name; its own settings are given as method.<setting>",
    fallback: fallbackName,
    inner: all,
    check: (name, value) => innerAlgorithm(value, all, name),
  };
}

const fallbackName = 'npo';

/** The setting that names it, where its learning rates are the run's. */
export const innerMethodSetting = innerMethodOf(
  'the method inside, with the settings that runs give it, and its learning rates',
);

/** An inner method's definition, and its settings with the defaults of runs. */
export function innerAlgorithm(
  value: unknown,
  among: readonly Algorithm[] = inner,
  argument = 'method',
): { readonly algorithm: Algorithm; readonly settings: Readonly<Record<string, unknown>> } {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const { name = fallbackName, ...given } = isObject ? (value as Exclude<InnerMethod, string>) : { name: value };
  const found = among.find((each) => each.name === name);
  if (found === undefined) {
    const names = among.map((each) => each.name);
    const closest = typeof name === 'string' ? closestName(name, names) : undefined;
    const hint = closest === undefined ? '' : ` (did you mean ${closest}?)`;
    throw invalidArgument(argument, `one of ${names.join(', ')}${hint}`, name);
  }
  const wanted = { ...found.runDefaults, ...withoutUndefined(given) };
  const settings = completeSettings(found.name, found.settings, wanted, `${argument}.`);
  return { algorithm: found, settings };
}

/**
 * A method by its name, with the settings of runs but for those given.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for one that there is not, or a setting that it does not have
 */
export function innerMethod(value: InnerMethod): Method {
  const { algorithm, settings } = innerAlgorithm(value);
  return algorithm.method!(settings);
}

/** The learning rates of the method inside. */
export function innerLearningRates(value: InnerMethod): LearningRates {
  return innerAlgorithm(value).algorithm.learningRates!;
}

/** An algorithm's settings in full: those of a method inside with its name and every default, and so on within that. */
export function settingsInFull(
  { settings: schema }: Pick<Algorithm, 'settings'>,
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const inFull = Object.entries(settings).map(([name, value]) => {
    const entry = schema[name];
    if (entry?.kind !== 'method') return [name, value];
    const { algorithm, settings: own } = innerAlgorithm(value, (entry as InnerMethodSetting).inner, name);
    return [name, { name: algorithm.name, ...settingsInFull(algorithm, own) }];
  });
  return Object.fromEntries(inFull);
}

/** The method that a value of the setting names. */
export function innerName(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? ((value as { name?: unknown }).name ?? fallbackName) : value;
}

/** Settings of an algorithm, over those from another place; of a method inside, too, unless it is another one. */
export function mergeMethodSettings(before: object, over: object): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...before, ...withoutUndefined(over) };
  for (const [name, first] of Object.entries(before)) {
    const second = merged[name];
    if (typeof second !== 'object' && typeof first !== 'object') continue;
    const [inner, own] = [first, second].map((each) => (typeof each === 'object' ? each : { name: each }));
    if ((own?.name ?? innerName(inner)) === innerName(inner)) merged[name] = { ...inner, ...own };
  }
  return merged;
}
