/**
 * Conditions on the fields of records, by which examples are chosen: `author=Jaime Vasquez`, `line=1-40`.
 *
 * @module
 */

import { invalidArgument, shortName } from '../core/errors.ts';
import type { Example } from './example.ts';

/** `field=value`, `field!=value`, `field~regex` or `field!~regex`. */
export interface Condition {
  /** As it was given. */
  readonly text: string;
  readonly field: string;
  readonly value: string;
  /** `=` and `!=` take the value as it is, `~` and `!~` a regular expression that is blind to letter case. */
  readonly operator: '=' | '!=' | '~' | '!~';
  /** Whether a value is as the condition says, before it is turned round by `!`. */
  fits(value: string): boolean;
}

/** The field that every record has: its line, or its row. */
export const lineField = 'line';

/**
 * @param argument what errors call the condition
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function parseCondition(argument: string, text: unknown): Condition {
  const expected = 'a condition as field=value, field!=value, field~regex or field!~regex';
  const parts = typeof text === 'string' ? /^([^=!~]+)(!=|!~|=|~)(.*)$/su.exec(text) : null;
  if (parts === null) throw invalidArgument(argument, expected, text);
  const [whole, name, operator, given] = parts as unknown as [string, string, Condition['operator'], string];
  const value = given.normalize('NFC');
  const condition = { text: whole, field: name.trim(), operator, value };
  if (condition.field === '' || value === '') throw invalidArgument(argument, expected, text);
  if (operator === '=' || operator === '!=') return { ...condition, fits: (other) => other === value };
  const pattern = patternOf(argument, value);
  return { ...condition, fits: (other) => pattern.test(other) };
}

function patternOf(argument: string, text: string): RegExp {
  try {
    return new RegExp(text, 'iu');
  } catch {
    throw invalidArgument(argument, 'a condition whose regular expression can be read', text);
  }
}

/** Marks what stands in place of a condition's value. */
const nameMark = 'hmac-sha256:';

/** A condition with a name in place of its value; one on lines as it is, which says nothing of what stands there. */
export function withoutValue(text: string, nameOf: (value: string) => string): string {
  const { field, operator, value } = parseCondition('condition', text);
  return field === lineField && /^[\d-]+$/.test(value) ? text : `${field}${operator}${nameMark}${nameOf(value)}`;
}

/** Whether a name stands in place of the value. */
export function isNamed({ value }: Condition): boolean {
  return value.startsWith(nameMark);
}

/** Numbers from one to another, both included, as `line=1-40` has them. */
export function rangeOf({ text, value }: Condition): [first: number, last: number] {
  const [, first, last = first] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(value) ?? [];
  const [low, high] = [Number(first), Number(last)];
  if (low >= 1 && high >= low) return [low, high];
  throw invalidArgument('line', 'the number of a line, or of the first and the last, as line=1-40', shortName(text));
}

/** Fields of an example that hold what is learned: their texts are in no error. */
export function textFields(example: Example): Readonly<Record<string, string>> {
  const { kind, prompt, completion, messages = [] } = example;
  switch (kind) {
    case 'question-answer':
      return { question: prompt, answer: completion };
    case 'prompt-completion':
      return { prompt, completion };
    case 'messages':
      return { messages: messages.map(({ content }) => content).join('\n') };
    case 'text':
      return { text: completion };
  }
}
