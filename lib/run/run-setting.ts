/**
 * What a setting of a run is: a setting, and how the command line asks for it.
 *
 * @module
 */

import { checkNumber, checkSeed } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import { patternOf, type Setting, type SettingText } from '../unlearn/setting.ts';

/** How text becomes a value: beside the kinds of methods' settings those that runs alone have. */
export type RunSettingKind =
  | SettingText['kind']
  | 'path'
  | 'template'
  | 'pattern'
  | 'numbers'
  | 'seed'
  /** What no option gives as a whole. */
  | 'value';

export type Command = 'train' | 'unlearn';

/** An option as help shows it, with the argument that it takes: `--batch-size <number>`. */
export interface RunOption {
  readonly flags: string;
  /** In place of the setting's own text. */
  readonly text?: string;
}

/** How the commands ask for a setting. */
export interface Asked {
  /** For both commands, or for each that has it. */
  readonly option?: string | { readonly [Name in Command]?: string | RunOption };
  /** Options that give it in a way of their own. */
  readonly by?: readonly string[];
  /** Heading of its options in help; that of the group it is in, or of the setting before. */
  readonly heading?: string;
  /** What it is where it is not given, where that is no constant. */
  readonly otherwise?: string;
  /** The setting of the same group that says the same in another way. */
  readonly insteadOf?: string;
}

/** A setting of a run. */
export type RunSetting<Value = unknown> = Setting<Value, RunSettingKind> & Asked;

/** Settings that belong together, under one name. */
export interface SettingGroup<Members extends RunSchema = RunSchema> {
  readonly kind: 'group';
  readonly text: string;
  readonly members: Members;
}

export interface RunSchema {
  readonly [name: string]: RunSetting | SettingGroup;
}

/** The values of a schema's settings, each of which may be left out. */
export type ValuesOf<Settings> = {
  -readonly [Name in keyof Settings]?: Settings[Name] extends { readonly members: infer Members }
    ? ValuesOf<Members>
    : Settings[Name] extends { readonly fallback: infer Value }
      ? Exclude<Value, undefined>
      : never;
};

type Made<Value> = Setting<Value | undefined, RunSettingKind>;

/** A file or folder. */
export function pathSetting(text: string): Made<string> {
  const check = (name: string, value: unknown) => {
    if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidArgument(name, 'a path', value);
  };
  return { text, kind: 'path', expected: 'a path', fallback: undefined, check };
}

/** A text with {question} and {answer}. */
export function templateSetting(text: string, fallback: string): Setting<string, RunSettingKind> {
  const check = (_: string, value: unknown) => PromptTemplate.parse(value as string);
  return { text, kind: 'template', expected: 'a text with {question} and {answer}', fallback, check };
}

/** A regular expression over names of tensors. */
export function patternSetting(text: string): Made<string> {
  return { text, kind: 'pattern', expected: 'a regular expression', fallback: undefined, check: patternOf };
}

/** Two numbers of at least 0 and below 1. */
export function decayRatesSetting(text: string): Made<[number, number]> {
  const expected = 'two numbers of at least 0 and below 1';
  const check = (name: string, value: unknown) => {
    if (!Array.isArray(value) || value.length !== 2) throw invalidArgument(name, `an array of ${expected}`, value);
    for (const i of [0, 1]) checkNumber(`${name}[${i}]`, value[i], { high: 1, highExclusive: true });
  };
  return { text, kind: 'numbers', expected, fallback: undefined, check };
}

/** An integer of 64 bits. */
export function seedSetting(text: string, fallback: bigint): Setting<bigint, RunSettingKind> {
  return { text, kind: 'seed', expected: 'an integer from 0 to 18446744073709551615', fallback, check: checkSeed };
}

/** What is no option as a whole, of any type; an object unless it has a check of its own. */
export function valueSetting<Value>(text: string, check: Setting['check'] = checkObject): Made<Value> {
  return { text, kind: 'value', expected: 'an object', fallback: undefined, check };
}

function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidArgument(name, 'an object', value);
}

/** Settings under one name. */
export function settingGroup<const Members extends RunSchema>(text: string, members: Members): SettingGroup<Members> {
  return { kind: 'group', text, members };
}

/**
 * Checks every value that is there, each by itself, and that nothing is said in two ways.
 *
 * @param argument what holds the values
 * @param prefix what stands before names in errors
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkValues(argument: string, schema: RunSchema, values: unknown, prefix = ''): void {
  checkNames(argument, values, Object.keys(schema));
  const given = withoutUndefined(values as Readonly<Record<string, unknown>>);
  for (const [name, value] of Object.entries(given)) {
    const entry = schema[name]!;
    if (entry.kind === 'group') checkValues(`${prefix}${name}`, entry.members, value, `${prefix}${name}.`);
    else {
      entry.check(`${prefix}${name}`, value);
      const other = entry.insteadOf;
      if (other === undefined || given[other] === undefined) continue;
      throw new SoulError('SOUL_INVALID_ARGUMENT', `give ${name} or ${other}, not both`, { argument: name });
    }
  }
}

/** The settings of both, group by group, where those of `over` count; of two ways to say the same, what it says. */
export function mergeValues(schema: RunSchema, before: object, over: object): Record<string, unknown> {
  const [first, second] = [before, over].map((each) => withoutUndefined(each as Readonly<Record<string, unknown>>));
  const merged: Record<string, unknown> = { ...first, ...second };
  for (const [name, entry] of Object.entries(schema)) {
    if (entry.kind === 'group') {
      if (merged[name] !== undefined)
        merged[name] = mergeValues(entry.members, first![name] ?? {}, second![name] ?? {});
    } else if (entry.insteadOf !== undefined) {
      if (second![name] !== undefined) delete merged[entry.insteadOf];
      else if (second![entry.insteadOf] !== undefined) delete merged[name];
    }
  }
  return merged;
}

/** What a setting is where it is not given, in words; undefined where that is nothing. */
export function defaultText({ kind, otherwise, fallback }: RunSetting): string | undefined {
  if (otherwise !== undefined) return otherwise;
  if (fallback === undefined || fallback === false) return undefined;
  return kind === 'template' ? JSON.stringify(fallback) : String(fallback);
}
