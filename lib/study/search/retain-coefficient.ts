/**
 * The weight of what is kept, in a method or in the one that it has inside.
 *
 * @module
 */

import type { Algorithm } from '../../unlearn/algorithm.ts';
import { type InnerMethod, type InnerMethodSetting, innerAlgorithm } from '../../unlearn/inner-method.ts';
import { innerSettingOf } from '../definition/inside.ts';

type Settings = Readonly<Record<string, unknown>>;

/** The retain coefficient of settings in full; undefined where a method has none, or has given it no weight. */
export function retainCoefficientOf(of: Pick<Algorithm, 'settings'>, settings: Settings): number | undefined {
  if ('retainCoefficient' in of.settings) return (settings.retainCoefficient as number) || undefined;
  const inner = innerOf(of, settings);
  return inner && retainCoefficientOf(inner.algorithm, inner.settings);
}

/** The settings with another retain coefficient, where they have one. */
export function withRetainCoefficient(of: Pick<Algorithm, 'settings'>, settings: Settings, value: number): Settings {
  if ('retainCoefficient' in of.settings) return { ...settings, retainCoefficient: value };
  const inner = innerOf(of, settings);
  if (inner === undefined) return settings;
  const { name, algorithm } = inner;
  const changed = { name: algorithm.name, ...withRetainCoefficient(algorithm, inner.settings, value) };
  return { ...settings, [name]: changed satisfies InnerMethod };
}

/** The method inside, where there is one, and the name of the setting that names it. */
function innerOf(of: Pick<Algorithm, 'settings'>, settings: Settings) {
  const name = innerSettingOf(of);
  if (name === undefined) return undefined;
  return { name, ...innerAlgorithm(settings[name], (of.settings[name] as InnerMethodSetting).inner, name) };
}
