/**
 * Settings with their types, defaults and descriptions in one place: checks, options, documentation and records follow from it.
 *
 * @module
 */

import { checkBoolean, checkChoice, checkInteger, checkNumber } from '../core/checks.ts';
import { invalidArgument, SoulError, shortName } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';

/** What a reader is told of a setting. */
export interface SettingText {
  /** What it does, in a few words that begin in lower case. */
  readonly text: string;
  readonly kind: 'number' | 'integer' | 'choice' | 'flag' | 'text' | 'method';
  /** What it may be, in words. */
  readonly expected: string;
  readonly choices?: readonly string[];
}

/** A setting: what it is for, what it may be, and what it is where nothing is said. */
export interface Setting<out Value = unknown, Kind extends string = SettingText['kind']>
  extends Omit<SettingText, 'kind'> {
  readonly kind: Kind;
  /** Undefined where it may be absent. */
  readonly fallback: Value;
  /** Refuses what it cannot be: SoulError SOUL_INVALID_ARGUMENT under this name. */
  check(name: string, value: unknown): unknown;
}

export interface NumberBounds {
  readonly low?: number;
  readonly high?: number;
  /** Whether the bound itself is outside. */
  readonly lowExclusive?: boolean;
  readonly highExclusive?: boolean;
}

/** A number that float32 can hold; at least 0 unless told otherwise. Without a default it may be absent. */
export function numberSetting<const Fallback extends number | undefined>(
  text: string,
  fallback: Fallback,
  bounds: NumberBounds = {},
): Setting<number | Fallback> {
  const { low = 0, high = Number.POSITIVE_INFINITY, lowExclusive = false, highExclusive = false } = bounds;
  const to = Number.isFinite(high) ? ` and ${highExclusive ? 'below' : 'at most'} ${high}` : '';
  const from = Number.isFinite(low) ? ` ${lowExclusive ? 'above' : 'of at least'} ${low}` : '';
  const check = (name: string, value: unknown) => checkNumber(name, value, bounds);
  return { text, kind: 'number', expected: `a number${from}${to}`, fallback, check };
}

/** An integer in bounds that are included. Without a default it may be absent. */
export function integerSetting<const Fallback extends number | undefined>(
  text: string,
  fallback: Fallback,
  bounds: { readonly low?: number; readonly high?: number } = {},
): Setting<number | Fallback> {
  const { low = 1, high } = bounds;
  const expected = high === undefined ? `an integer of at least ${low}` : `an integer from ${low} to ${high}`;
  const check = (name: string, value: unknown) => checkInteger(name, value, bounds);
  return { text, kind: 'integer', expected, fallback, check };
}

/** One of some words. Without a default it may be absent. */
export function choiceSetting<const Choice extends string, Fallback extends Choice | undefined>(
  text: string,
  choices: readonly Choice[],
  fallback: Fallback,
): Setting<Choice | Fallback> & { readonly choices: readonly Choice[] } {
  const expected = choices.map((choice) => `'${choice}'`).join(' or ');
  const check = (name: string, value: unknown) => checkChoice(name, value, choices);
  return { text, kind: 'choice', expected, choices, fallback, check };
}

/** true or false. */
export function flagSetting(text: string, fallback = false): Setting<boolean> {
  return { text, kind: 'flag', expected: 'true or false', fallback, check: checkBoolean };
}

/** A text that is not empty, or that is absent where there is no default. */
export function textSetting(text: string, fallback?: string): Setting<string | undefined> {
  const check = (name: string, value: unknown) => {
    if (typeof value !== 'string' || value === '') throw invalidArgument(name, 'a text', value);
  };
  return { text, kind: 'text', expected: 'a text', fallback, check };
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

/** Settings by their names. */
export type Schema = Readonly<Record<string, Setting>>;

/** Settings as a caller may give them: each may be left out. */
export type GivenSettings<Settings> = {
  [Name in keyof Settings]?: Settings[Name] extends Setting<infer Value, string> ? Exclude<Value, undefined> : never;
};

/** Settings with every default filled in. */
export type CompleteSettings<Settings> = {
  readonly [Name in keyof Settings]: Settings[Name] extends Setting<infer Value, string> ? Value : never;
};

/**
 * Fills in defaults.
 *
 * @param owner what the settings are of, as errors name it
 * @param prefix what stands before names in errors
 * @throws SoulError SOUL_INVALID_ARGUMENT for a name that is not known, with the nearest one that is, and for a value that cannot be
 */
export function completeSettings<Settings extends Schema>(
  owner: string,
  schema: Settings,
  given: object,
  prefix = '',
): CompleteSettings<Settings> {
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
      `${owner} has no setting ${shortName(name)}; ${closest === undefined ? others : `did you mean ${prefix}${closest}?`}`,
      { argument: name, known },
    );
  }
  const complete: Record<string, unknown> = {};
  for (const [name, { fallback, check }] of Object.entries(schema)) {
    const value = (given as Record<string, unknown>)[name];
    const used = value === undefined ? fallback : value;
    if (used === undefined) continue;
    check(`${prefix}${name}`, used);
    complete[name] = used;
  }
  return complete as CompleteSettings<Settings>;
}

/** Whether a value is a setting that one of the makers here has made. */
export function isSetting(value: unknown): value is Setting {
  const { kind, check } = (value ?? {}) as Partial<Setting>;
  return typeof kind === 'string' && typeof check === 'function';
}
