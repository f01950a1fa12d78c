/**
 * Every algorithm by its name.
 *
 * @module
 */

import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';
import { type Algorithm, settingsOf } from './algorithm.ts';
import { algorithms as composed } from './algorithms/index.ts';
import { type InnerMethodSetting, innerName } from './inner-method.ts';
import type { Method } from './method.ts';
import { methods } from './methods/index.ts';
import type { GivenSettings } from './setting.ts';

const list = [...methods, ...composed] as const;

type Listed = (typeof list)[number];

/** Names of all algorithms. */
export type AlgorithmName = Listed['name'];

/** Names of those that are a descent and nothing else. */
export type MethodName = Extract<Listed, { method(settings: never): Method }>['name'];

/** Settings of an algorithm, each of which may be left out. */
export type AlgorithmSettings<Name extends AlgorithmName = AlgorithmName> = Name extends AlgorithmName
  ? GivenSettings<Extract<Listed, { name: Name }>['settings']>
  : never;

/** All algorithms, as `soul methods` lists them. */
export const algorithms: readonly Algorithm[] = list as unknown as readonly Algorithm[];

/**
 * An algorithm by its name.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for one that there is not, with the nearest that there is
 */
export function algorithm(name: string): Algorithm {
  const found = algorithms.find((each) => each.name === name);
  if (found) return found;
  const names = algorithms.map((each) => each.name);
  const closest = typeof name === 'string' ? closestName(name, names) : undefined;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `there is no method ${describe(name)}; ${closest === undefined ? `there are: ${names.join(', ')}` : `did you mean ${closest}?`}`,
    { argument: 'method', found: name },
  );
}

/**
 * The settings of an algorithm with every default filled in.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a name that it does not know, with those that do or the nearest that it does, and for a
 *   value that cannot be
 */
export function settingsFor(algorithm: Algorithm, given: object): Readonly<Record<string, unknown>> {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(algorithm.settings, name)) continue;
    const owners = algorithms.filter(({ settings }) => Object.hasOwn(settings, name)).map((each) => each.name);
    if (owners.length === 0) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${name} is of no effect on ${algorithm.name}; it belongs to ${owners.join(', ')}${hintAtInner(algorithm, given, name)}`,
      { argument: name, method: algorithm.name },
    );
  }
  checkInner(algorithm, given);
  return settingsOf(algorithm, given);
}

/** Refuses an algorithm inside another that cannot be there, and says why; names that there are not are told with the settings. */
function checkInner({ settings }: Algorithm, given: object): void {
  for (const [setting, entry] of Object.entries(settings)) {
    if (entry.kind !== 'method') continue;
    const { inner } = entry as InnerMethodSetting;
    const own = innerName((given as Record<string, unknown>)[setting]);
    const found = algorithms.find(({ name }) => name === own);
    if (found === undefined || inner.includes(found)) continue;
    const why = found.method ? 'would teach what is to be forgotten' : 'is not only a descent on terms';
    const names = inner.map(({ name }) => name).join(', ');
    throw invalidArgument(setting, `one of ${names} (${found.name} ${why})`, own);
  }
}

/** Where a method inside has the setting: how to give it to that. */
function hintAtInner({ settings }: Algorithm, given: object, name: string): string {
  for (const [outer, entry] of Object.entries(settings)) {
    if (entry.kind !== 'method') continue;
    const { inner, fallback } = entry as InnerMethodSetting;
    const own = innerName((given as Record<string, unknown>)[outer] ?? fallback);
    const has = inner.some((each) => each.name === own && Object.hasOwn(each.settings, name));
    if (has) return `, and so to the method inside, ${own}: set ${outer}.${name} (--set ${outer}.${name}=...)`;
  }
  return '';
}

/**
 * The terms of a method by its name, for a descent of one's own.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, a setting that is unknown or out of range, and for an algorithm that is
 *   more than a descent
 */
export function method<Name extends MethodName>(name: Name, settings?: AlgorithmSettings<Name>): Method {
  const found = algorithm(name);
  if (found.method) return found.method(settingsFor(found, settings ?? {}) as never);
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${name} is more than one descent, and has no terms of its own; run it (runTraining, or algorithm('${name}').run in a Lab)`,
    { argument: 'name', found: name },
  );
}
