/**
 * Settings with their types, defaults and descriptions in one place: checks, options, documentation and records follow from it.
 *
 * @module
 */

import * as v from 'valibot';
import { invalidArgument, SoulError, shortName } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';

/** What a reader is told of a setting. */
export interface SettingText {
  /** What it does, in a few words that begin in lower case. */
  readonly text: string;
  readonly kind: 'number' | 'integer' | 'choice' | 'flag' | 'text';
  /** What it may be, in words. */
  readonly expected: string;
  readonly choices?: readonly string[];
}

export interface NumberBounds {
  readonly low?: number;
  readonly high?: number;
  /** Whether the bound itself is outside. */
  readonly lowExclusive?: boolean;
  readonly highExclusive?: boolean;
}

/** A finite number; at least 0 unless told otherwise. */
export function numberSetting(text: string, fallback: number, bounds: NumberBounds = {}) {
  const { low = 0, high = Number.POSITIVE_INFINITY, lowExclusive = false, highExclusive = false } = bounds;
  const to = Number.isFinite(high) ? ` and ${highExclusive ? 'below' : 'at most'} ${high}` : '';
  const from = Number.isFinite(low) ? ` ${lowExclusive ? 'above' : 'of at least'} ${low}` : '';
  const inside = (value: unknown): boolean =>
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (lowExclusive ? value > low : value >= low) &&
    (highExclusive ? value < high : value <= high);
  return setting(v.custom<number>(inside), { text, kind: 'number', expected: `a number${from}${to}` }, fallback);
}

/** An integer in bounds that are included. */
export function integerSetting(text: string, fallback: number, { low = 1, high = Number.MAX_SAFE_INTEGER } = {}) {
  const to = high < Number.MAX_SAFE_INTEGER ? ` and at most ${high}` : '';
  const inside = (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high;
  const expected = `an integer of at least ${low}${to}`;
  return setting(v.custom<number>(inside), { text, kind: 'integer', expected }, fallback);
}

/** One of some words. */
export function choiceSetting<const Choice extends string>(text: string, choices: readonly Choice[], fallback: Choice) {
  const expected = choices.map((choice) => `'${choice}'`).join(' or ');
  const inside = (value: unknown): boolean => choices.includes(value as Choice);
  return setting(v.custom<Choice>(inside), { text, kind: 'choice', expected, choices }, fallback);
}

/** true or false. */
export function flagSetting(text: string, fallback = false) {
  const inside = (value: unknown): boolean => typeof value === 'boolean';
  return setting(v.custom<boolean>(inside), { text, kind: 'flag', expected: 'true or false' }, fallback);
}

/** A text that is not empty, or that is absent where there is no default. */
export function textSetting(text: string, fallback?: string) {
  const inside = (value: unknown): boolean => value === undefined || (typeof value === 'string' && value !== '');
  return setting(v.custom<string | undefined>(inside), { text, kind: 'text', expected: 'a text' }, fallback);
}

/**
 * The regular expression that a setting's text is.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function patternOf(name: string, text: unknown): RegExp {
  try {
    if (typeof text === 'string' && text !== '') return new RegExp(text, 'u');
  } catch {
    // Said below.
  }
  throw invalidArgument(name, 'a regular expression over names of tensors, as mlp|self_attn', text);
}

function setting<T>(schema: v.CustomSchema<T, undefined>, text: SettingText, fallback: T) {
  return v.optional(v.pipe(schema, v.metadata({ ...text })), fallback as never);
}

/** A schema of settings by their names. */
export type SettingsSchema = Readonly<Record<string, ReturnType<typeof setting<never>>>>;

/** Settings as a caller may give them: each may be left out. */
export type GivenSettings<Schema> = {
  [Name in keyof Schema]?: Schema[Name] extends v.GenericSchema
    ? Exclude<v.InferOutput<Schema[Name]>, undefined>
    : never;
};

/** Settings with every default filled in. */
export type CompleteSettings<Schema> = {
  readonly [Name in keyof Schema]: Schema[Name] extends v.GenericSchema ? v.InferOutput<Schema[Name]> : never;
};

/**
 * Fills in defaults.
 *
 * @param owner what the settings are of, as errors name it
 * @throws SoulError SOUL_INVALID_ARGUMENT for a name that is not known, with the nearest one that is, and for a value that cannot be
 */
export function completeSettings<Schema extends Readonly<Record<string, v.GenericSchema>>>(
  owner: string,
  schema: Schema,
  given: object,
): CompleteSettings<Schema> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidArgument(`the settings of ${owner}`, 'an object', given);
  }
  const known = Object.keys(schema);
  for (const [name, value] of Object.entries(given)) {
    if (known.includes(name) || value === undefined) continue;
    const closest = closestName(name, known);
    const others = known.length > 0 ? `it has ${known.join(', ')}` : 'it has none';
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${owner} has no setting ${shortName(name)}; ${closest === undefined ? others : `did you mean ${closest}?`}`,
      { argument: name, known },
    );
  }
  const complete: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(schema)) {
    const value = (given as Record<string, unknown>)[name];
    const result = v.safeParse(entry, value);
    if (!result.success) throw invalidArgument(name, settingText(entry).expected, value);
    if (result.output !== undefined) complete[name] = result.output;
  }
  return complete as CompleteSettings<Schema>;
}

/** What a reader is told of one setting. */
export function settingText(entry: v.GenericSchema): SettingText & { readonly fallback: unknown } {
  const { wrapped, default: fallback } = entry as unknown as {
    wrapped: { pipe: readonly [unknown, { metadata: SettingText }] };
    default: unknown;
  };
  return { ...wrapped.pipe[1].metadata, fallback };
}

/** Whether a value is a setting that one of the makers here has made. */
export function isSetting(value: unknown): boolean {
  const { wrapped } = (value ?? {}) as { wrapped?: { pipe?: readonly { metadata?: Partial<SettingText> }[] } };
  return typeof wrapped?.pipe?.[1]?.metadata?.kind === 'string';
}
