/**
 * Settings of a run as JSON and YAML have them: a configuration file, or what the record of an earlier run says.
 *
 * @module
 */

import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { checkValues } from './run-setting.ts';
import { runSettings } from './run-settings.ts';
import type { RunSettings } from './settings.ts';

/** Of an earlier run's own: where it went, which another cannot go to, and how it came there. */
const unrepeatable: readonly string[] = ['out', 'overwrite', 'resume', 'finish'] satisfies (keyof RunSettings)[];

/**
 * The settings that a value from a JSON or YAML file stands for: an object with names of {@link RunSettings}, each of which may be left out,
 * or a whole run.json, of which `settings` counts, without `out`, `overwrite`, `resume` and `finish`. A seed is a decimal string, a
 * number, or a bigint; a method is a name. What must fit together is checked by `runTraining`.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, with the nearest, and for a value that cannot be
 */
export function runSettingsFromJson(value: unknown): Partial<RunSettings> {
  const isRun = isRecord(value);
  const settings = { ...objectOf(isRun ? value.settings : value) };
  if (isRun) for (const name of unrepeatable) delete settings[name];
  if (settings.seed !== undefined) settings.seed = seedOf(settings.seed);
  checkValues('the configuration', runSettings, settings);
  if (settings.method !== undefined && typeof settings.method !== 'string') {
    throw invalidArgument('method', 'the name of a method', settings.method);
  }
  return settings;
}

/** Whether a value from a JSON file is the record of a run. */
export function isRecord(value: unknown): value is { settings: Record<string, unknown>; inputs?: unknown } {
  return isObject(value) && isObject(value.settings) && isObject(value.package);
}

function objectOf(value: unknown): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `the configuration must be an object with settings of a run, but is ${describe(value)}`,
    { argument: 'configuration' },
  );
}

/**
 * A seed of 64 bits, for which a JSON number is too small to be exact; YAML has integers of any size.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function seedOf(value: unknown): bigint {
  const seed =
    typeof value === 'bigint' || (typeof value === 'string' && /^\d{1,20}$/.test(value)) || Number.isSafeInteger(value)
      ? BigInt(value as string | number | bigint)
      : undefined;
  if (seed !== undefined && seed === BigInt.asUintN(64, seed)) return seed;
  throw invalidArgument('seed', 'an integer from 0 to 18446744073709551615, as a string where it is above 2^53', value);
}
