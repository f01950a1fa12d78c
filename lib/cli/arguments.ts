/**
 * Parsers of option values: each turns text into a value or says what was expected. The bounds are those of the library, so
 * that what it would refuse is refused before anything is read.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import { checkInteger, checkNumber } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';
import { checkTemplate } from '../data/choose-template.ts';
import { parseCondition } from '../data/conditions.ts';
import { listOf } from '../data/read-example-set.ts';
import type { RunSetting } from '../run/run-setting.ts';
import { parseWord } from './word-option.ts';

/** The parser of a setting's text; none where the text itself is the value, whose check is the run's. */
export function parserOf(setting: RunSetting): ((text: string, given?: never) => unknown) | undefined {
  const checked = (value: unknown) => {
    accepted(() => setting.check('value', value));
    return value;
  };
  switch (setting.kind) {
    case 'number':
      return (text) => checked(numberOf(text));
    case 'integer':
      return (text) => checked(integerOf(text));
    case 'numbers':
      return (text) => {
        const values = text.split(',').map(numberOf);
        try {
          setting.check('value', values);
          return values;
        } catch {
          throw new InvalidArgumentError(`Expected ${setting.expected}, as in 0.9,0.95.`);
        }
      };
    case 'kindNumbers':
      return (text) => {
        const pairs = text.split(',').map((pair) => pair.split('=').map((part) => part.trim()));
        const isWhole = pairs.every((pair) => pair.length === 2);
        const values = Object.fromEntries(pairs.map(([kind, value]) => [kind, numberOf(value ?? '')]));
        try {
          if (isWhole) return checked(values);
        } catch {
          // Said below.
        }
        throw new InvalidArgumentError(`Expected ${setting.expected}, as in embedding=0.5,vector=0.`);
      };
    case 'flag':
      return (text) => oneOf(['true', 'false'])(text) === 'true';
    case 'seed':
      return seed;
    case 'path':
      return path;
    case 'paths':
      return paths;
    case 'namedPaths':
      return (text, given) => checked(withNamed(text, given));
    case 'choices':
      return (text) => checked(text.split(',').map((name) => name.trim()));
    case 'conditions':
      return conditions;
    case 'template':
      return template;
    case 'date':
      return checked;
    case 'lines':
      return (text) => checked(text.replaceAll('\\n', '\n'));
    case 'adapter':
      return (text) => parseWord(text, setting.word!, (value) => setting.check('value', value));
    case 'choice':
      return oneOf(setting.choices!);
    default:
      return undefined;
  }
}

/** A finite number within bounds, by default of at least 0. */
export function number(bounds: Parameters<typeof checkNumber>[2] = {}): (text: string) => number {
  return (text) => accepted(() => checkNumber('value', numberOf(text), bounds));
}

/** An integer within bounds, by default of at least 1. */
export function integer(bounds: { low?: number; high?: number } = {}): (text: string) => number {
  return (text) => accepted(() => checkInteger('value', integerOf(text), bounds));
}

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function integerOf(text: string): number {
  return /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
}

/** A seed: an integer in [0, 2^64). */
export function seed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text.trim()) || BigInt(text) >= 2n ** 64n) {
    throw new InvalidArgumentError('Expected an integer from 0 to 18446744073709551615.');
  }
  return BigInt(text);
}

/** A path of a file or folder. An empty one is a shell variable that was not set, and would mean the present folder. */
export function path(text: string, given?: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a path, found an empty text.');
  if (text.startsWith('--')) {
    throw new InvalidArgumentError(`Expected a path, found an option; if a file is called so, write ./${text}.`);
  }
  // The one before would be left out without a word.
  if (given !== undefined) throw new InvalidArgumentError(`Given twice, as ${given} too; put several files into one.`);
  return text;
}

/** Paths of one file or several, by an option that takes several or is given several times. */
export function paths(text: string, given?: string | readonly string[]): string | string[] {
  return withThose(path(text), given);
}

/** A path under a name, with those given before; several of a name stay in their order. */
function withNamed(
  text: string,
  given: Readonly<Record<string, string | readonly string[]>> = {},
): Record<string, string | readonly string[]> {
  const [, name, file] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || file === undefined) {
    throw new InvalidArgumentError('Expected a name and a file, as in holdout=holdout.jsonl.');
  }
  return { ...given, [name]: paths(file, Object.hasOwn(given, name) ? given[name] : undefined) };
}

/** Conditions on fields of the data, of which each takes an option of its own. */
export function conditions(text: string, given?: string | readonly string[]): string | string[] {
  accepted(() => parseCondition('value', text));
  return withThose(text, given);
}

/** One value stays one, as files of settings have it. */
function withThose(value: string, given: string | readonly string[] | undefined): string | string[] {
  return given === undefined ? value : [...listOf(given), value];
}

/** A template of prompts, in which `\n` stands for a new line. */
export function template(text: string): string {
  const lines = text.replaceAll('\\n', '\n');
  accepted(() => checkTemplate(lines));
  return lines;
}

/** One of some words; a misspelled one is answered with the nearest. */
export function oneOf<Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((known) => known === text);
    if (choice !== undefined) return choice;
    const closest = closestName(text, choices);
    const hint = closest === undefined ? '' : ` (Did you mean ${closest}?)`;
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.${hint}`);
  };
}

/** Some words of a list, with commas between them. */
export function listed(known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const words = text.split(',').map((word) => oneOf(known)(word.trim()));
    const twice = words.find((word, i) => words.indexOf(word) !== i);
    if (twice !== undefined) throw new InvalidArgumentError(`${twice} is named twice.`);
    return words;
  };
}

/** The value of one of the library's checks, whose refusal becomes that of an option's value. */
function accepted<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    throw new InvalidArgumentError(`Expected ${error.details.expected}.`);
  }
}
