/**
 * What a setting of a run is: a setting, and how the command line asks for it.
 *
 * @module
 */

import { checkBoolean, checkNumber, checkSeed } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { checkTemplateDate } from '../data/chat/chat-template.ts';
import { checkTemplate } from '../data/choose-template.ts';
import { parseCondition } from '../data/conditions.ts';
import { type ParameterKind, parameterKinds } from '../model/parameter-layout.ts';
import { patternOf, type Setting, type SettingText } from '../unlearn/setting.ts';

/** How text becomes a value: beside the kinds of methods' settings those that runs alone have. */
export type RunSettingKind =
  | SettingText['kind']
  | 'path'
  | 'paths'
  | 'namedPaths'
  | 'choices'
  | 'conditions'
  | 'template'
  | 'date'
  | 'lines'
  | 'pattern'
  | 'numbers'
  | 'kindNumbers'
  | 'seed'
  | 'adapter'
  /** What no option gives as a whole. */
  | 'value';

export type Command = 'train' | 'unlearn';

/** An option as help shows it, with the argument that it takes: `--batch-size <number>`. */
export interface RunOption {
  readonly flags: string;
  /** In place of the setting's own text. */
  readonly text?: string;
}

/** How the command line says several settings in one word, parts with commas between them: `key=value`, or `key` for true. */
export interface WordForm {
  /** All parts at once. */
  readonly example: string;
  /** By their keys the names of the settings; without `read` a part has no value. */
  readonly parts: Readonly<Record<string, { readonly name: string; readonly read?: (text: string) => unknown }>>;
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
  /** Of a setting that is an object of settings. */
  readonly word?: WordForm;
  /** The setting of the same group that says the same in another way. */
  readonly insteadOf?: string;
  /** Whether the weights that a run comes to are the same whatever it is, so that a run that is resumed may have another. */
  readonly neutral?: boolean;
  /**
   * Of a setting that may quote what is to be forgotten: its value as the record of a deletion has it.
   *
   * @param nameOf gives the name that stands for a text
   */
  readonly withoutTexts?: (value: unknown, nameOf: (text: string) => string) => unknown;
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

export type Made<Value> = Setting<Value | undefined, RunSettingKind>;

/** A file or folder. */
export function pathSetting(text: string): Made<string> {
  const check = (name: string, value: unknown) => {
    if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidArgument(name, 'a path', value);
  };
  return { text, kind: 'path', expected: 'a path', fallback: undefined, check };
}

/** One file or several. */
export function pathsSetting(text: string): Made<string | readonly string[]> {
  const expected = 'a path, or an array of paths';
  const isPath = (value: unknown) => typeof value === 'string' && value !== '' && !value.includes('\0');
  const check = (name: string, value: unknown) => {
    const several = Array.isArray(value) && value.length > 0;
    if (!(several ? value : [value]).every(isPath)) throw invalidArgument(name, expected, value);
  };
  return { text, kind: 'paths', expected, fallback: undefined, check };
}

/** Kinds of settings that say where files lie, and nothing of what is in them. */
export const placeKinds: ReadonlySet<string> = new Set(['path', 'paths', 'namedPaths'] satisfies RunSettingKind[]);

/**
 * One file or several under each of some names.
 *
 * @param taken names that stand for something else
 */
export function namedPathsSetting(
  text: string,
  taken: readonly string[],
): Made<Readonly<Record<string, string | readonly string[]>>> {
  const files = pathsSetting(text);
  const expected = `files by names of letters, digits, - and _, none of them ${taken.join(', ')}`;
  const check = (name: string, value: unknown) => {
    checkObject(name, value);
    const entries = Object.entries(value as object);
    for (const [own, paths] of entries) {
      if (!/^[A-Za-z][\w-]*$/.test(own) || taken.includes(own)) throw invalidArgument(name, expected, own);
      files.check(`${name}.${own}`, paths);
    }
    if (entries.length === 0) throw invalidArgument(name, expected, value);
  };
  return { text, kind: 'namedPaths', expected, fallback: undefined, check };
}

/** Several of some words, each once. */
export function choicesSetting<Choice extends string>(
  text: string,
  choices: readonly Choice[],
): Made<readonly Choice[]> {
  const expected = `some of ${choices.join(', ')}, each once`;
  const check = (name: string, value: unknown) => {
    const isList = Array.isArray(value) && value.length > 0 && new Set(value).size === value.length;
    if (!isList) throw invalidArgument(name, Array.isArray(value) ? expected : `a list of ${expected}`, value);
    for (const each of value) if (!choices.includes(each)) throw invalidArgument(name, expected, each);
  };
  return { text, kind: 'choices', expected, fallback: undefined, check };
}

/** One condition on fields of the data or several. */
export function conditionsSetting(text: string): Made<string | readonly string[]> {
  const check = (name: string, value: unknown) => {
    const several = Array.isArray(value) && value.length > 0;
    for (const each of several ? value : [value]) parseCondition(name, each);
  };
  return { text, kind: 'conditions', expected: 'a condition as field=value', fallback: undefined, check };
}

/** A text with {question} and {answer}, or a word for one. */
export function templateSetting(text: string): Made<string> {
  const check = (_: string, value: unknown) => checkTemplate(value);
  return {
    text,
    kind: 'template',
    expected: 'chat, plain or a text with {question} and {answer}',
    fallback: undefined,
    check,
  };
}

/** A day, as 2024-07-26. */
export function dateSetting(text: string, fallback: string): Setting<string, RunSettingKind> {
  return { text, kind: 'date', expected: `a day, as ${fallback}`, fallback, check: checkTemplateDate };
}

/** Any text, in which the command line takes `\n` for a new line. */
export function textSetting(text: string): Made<string> {
  const check = (name: string, value: unknown) => {
    if (typeof value !== 'string') throw invalidArgument(name, 'a text', value);
  };
  return { text, kind: 'lines', expected: 'a text', fallback: undefined, check };
}

/** A text that a function reads, which refuses what it does not know. */
export function readTextSetting(text: string, expected: string, check: Setting['check']): Made<string> {
  return { text, kind: 'text', expected, fallback: undefined, check };
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

/** A number of at least 0 for each of some kinds of weights, as a model's layout groups them. */
export function kindNumbersSetting(text: string): Made<Partial<Record<ParameterKind, number>>> {
  const expected = `numbers of at least 0 for some of ${parameterKinds.join(', ')}`;
  const check = (name: string, value: unknown) => {
    checkNames(name, value, parameterKinds);
    const given = withoutUndefined(value as Readonly<Record<string, unknown>>);
    for (const [kind, number] of Object.entries(given)) checkNumber(`${name}.${kind}`, number);
  };
  return { text, kind: 'kindNumbers', expected, fallback: undefined, check };
}

/** true or false, whose default is another's. */
export function switchSetting(text: string): Made<boolean> {
  return { text, kind: 'flag', expected: 'true or false', fallback: undefined, check: checkBoolean };
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
      // A flag that is not set says nothing.
      if (other === undefined || value === false || given[other] === undefined) continue;
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
      if (second![name] !== undefined && second![name] !== false) delete merged[entry.insteadOf];
      else if (second![entry.insteadOf] !== undefined) delete merged[name];
    }
  }
  return merged;
}

/** What a setting is where it is not given, in words; undefined where that is nothing. */
export function defaultText({ otherwise, fallback }: RunSetting): string | undefined {
  if (otherwise !== undefined) return otherwise;
  if (fallback === undefined || fallback === false) return undefined;
  return String(fallback);
}
