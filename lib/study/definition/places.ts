/**
 * Refusals that name the place in a study's file.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { checkValues, type RunSchema, type ValuesOf } from '../../run/run-setting.ts';

/**
 * Does work whose refusals are of a place, as `optimizers[2].settings`, or of a setting within it.
 *
 * @param names of the settings there, which refusals may be about
 */
export function at<Result>(place: string, work: () => Result, names: readonly string[] = []): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SoulError) || error.message.startsWith(place)) throw error;
    const argument = String(error.details.argument);
    const isWithin = names.some((name) => argument === name || argument.startsWith(`${name}.`));
    const where = isWithin ? `${place}.${argument}` : place;
    const { message } = error;
    const told = isWithin && message.startsWith(`${argument} must`) ? message.slice(argument.length) : `: ${message}`;
    throw new SoulError(error.code, `${where}${told}`, { ...error.details, argument: where }, { cause: error });
  }
}

/** A refusal of what stands at a place. */
export function refusal(place: string, problem: string): SoulError {
  return new SoulError('SOUL_INVALID_ARGUMENT', `${place}: ${problem}`, { argument: place });
}

/**
 * The values at a place, each by itself, with the defaults of those that are not there.
 *
 * @param place empty for the study itself
 * @param needed names that must be there
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function valuesAt<Schema extends RunSchema>(
  place: string,
  schema: Schema,
  value: unknown,
  needed: readonly (keyof Schema & string)[] = [],
): ValuesOf<Schema> {
  const [what, prefix] = place === '' ? ['the study', ''] : [place, `${place}.`];
  at(place, () => checkValues(what, schema, value, prefix));
  const given = withoutUndefined(value as Readonly<Record<string, unknown>>);
  for (const name of needed) {
    if (given[name] !== undefined) continue;
    const { text } = schema[name]!;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${place} lacks ${name}: ${text}`, { argument: `${place}.${name}` });
  }
  return withDefaults(schema, given) as ValuesOf<Schema>;
}

function withDefaults(schema: RunSchema, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const complete = Object.entries(schema).map(([name, entry]) => {
    const own = given[name];
    if (entry.kind !== 'group') return [name, own ?? entry.fallback];
    return [name, withDefaults(entry.members, (own as Readonly<Record<string, unknown>> | undefined) ?? {})];
  });
  return withoutUndefined(Object.fromEntries(complete));
}

/**
 * The entries of a list, each read at its place, no two of the same name.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function listAt<Entry extends { readonly name: string }>(
  list: string,
  value: unknown,
  read: (place: string, entry: unknown) => Entry,
): Entry[] {
  if (!Array.isArray(value) || value.length === 0) throw invalidArgument(list, 'a list of at least one', value);
  const entries = value.map((entry, i) => read(`${list}[${i}]`, entry));
  for (const [i, { name }] of entries.entries()) {
    // Names of files that differ in case alone are one on some systems.
    const first = entries.findIndex((each) => each.name.toLowerCase() === name.toLowerCase());
    if (first === i) continue;
    throw refusal(`${list}[${i}]`, `${name} is the name of ${list}[${first}], too; give it another`);
  }
  return entries;
}

/**
 * Which of several forms a value has, by the name that tells it.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function formAt<Forms extends Readonly<Record<string, RunSchema>>>(
  place: string,
  forms: Forms,
  value: unknown,
): keyof Forms & string {
  if (!isObject(value)) throw invalidArgument(place, 'an object', value);
  const found = Object.keys(forms).filter((name) => value[name] !== undefined);
  if (found.length === 1) return found[0]!;
  const all = Object.entries(forms).map(([name, schema]) => `${name} (${schema[name]!.text})`);
  throw refusal(
    place,
    `it must have one of ${all.join(', ')}${found.length > 1 ? `, not ${found.join(' and ')}` : ''}`,
  );
}
