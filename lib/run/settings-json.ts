/**
 * Settings of a run as JSON has them: a configuration file, or what the record of an earlier run says.
 *
 * @module
 */

import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { type SettingCheck, settingChecks } from './setting-checks.ts';
import type { RunSettings } from './settings.ts';

const checks: Readonly<Record<keyof RunSettings, SettingCheck>> = settingChecks;

/** Of an earlier run's own: where it went, which another cannot go to. */
const unrepeatable: readonly string[] = ['out', 'overwrite'] satisfies (keyof RunSettings)[];

/** Objects that are checked with what they belong to; here only for being objects. */
const groups: readonly string[] = [
  'methodSettings',
  'optimizerSettings',
  'curvature',
  'load',
] satisfies (keyof RunSettings)[];

/**
 * The settings that a value from a JSON file stands for: an object with names of {@link RunSettings}, each of which may be left out,
 * or a whole run.json, of which `settings` counts, without `out` and `overwrite`. A seed is a decimal string, or a number; a
 * method is a name. What must fit together is checked by `runTraining`.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, with the nearest, and for a value that cannot be
 */
export function runSettingsFromJson(value: unknown): Partial<RunSettings> {
  const isRecord = isObject(value) && isObject(value.settings) && isObject(value.package);
  const entries = Object.entries(objectOf(isRecord ? value.settings : value)).filter(
    ([name]) => !(isRecord && unrepeatable.includes(name)),
  );
  checkNames('the configuration', Object.fromEntries(entries), Object.keys(checks));
  const settings = Object.fromEntries(entries.map(([name, entry]) => [name, name === 'seed' ? seedOf(entry) : entry]));
  for (const [name, entry] of Object.entries(settings)) {
    if (groups.includes(name) && !isObject(entry)) throw invalidArgument(name, 'an object', entry);
    checks[name as keyof RunSettings](entry, name);
  }
  if (settings.method !== undefined && typeof settings.method !== 'string') {
    throw invalidArgument('method', 'the name of a method', settings.method);
  }
  return settings;
}

function objectOf(value: unknown): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `the configuration must be an object with settings of a run, but is ${describe(value)}`,
    { argument: 'configuration' },
  );
}

/** A seed of 64 bits, for which a JSON number is too small to be exact. */
function seedOf(value: unknown): bigint {
  const seed =
    (typeof value === 'string' && /^\d{1,20}$/.test(value)) || Number.isSafeInteger(value)
      ? BigInt(value as string | number)
      : undefined;
  if (seed !== undefined && seed === BigInt.asUintN(64, seed)) return seed;
  throw invalidArgument('seed', 'an integer from 0 to 18446744073709551615, as a string where it is above 2^53', value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
