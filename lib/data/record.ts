/**
 * A record of a data file, whatever the format, and how errors speak of it.
 *
 * @module
 */

import { describe, type SoulError } from '../core/errors.ts';

/** An error that says what is wrong with a record, and where it stands. */
export type Report = (problem: string) => SoulError;

export interface DataRecord {
  readonly value: unknown;
  /** The line; in an array or a table of Parquet the record's number. Both from 1. */
  readonly line: number;
  readonly report: Report;
}

/** Fields by which a record is an example. */
export const exampleFields = [
  ...(['question', 'answer', 'prompt', 'completion'] as const),
  ...(['messages', 'conversations', 'text'] as const),
];

/** Those of them that hold a list. */
export const turnFields = ['messages', 'conversations'] as const;

/** A text from a field of a record. */
export function checkText(value: unknown, what: string, report: Report): string {
  if (typeof value !== 'string') throw report(`has a ${what} that must be a string, but is ${found(value)}`);
  // Half of a surrogate pair, written as an escape: no tokenizer can turn it into bytes.
  if (/\p{Surrogate}/u.test(value)) throw report(`has a ${what} with half of a surrogate pair, which is no character`);
  return value;
}

/** A word for what stands in a file. */
export function found(value: unknown): string {
  if (value instanceof Uint8Array) return 'bytes that are no UTF-8';
  return value === null ? 'null or NaN' : describe(value);
}

/** The names of a record's fields, as errors list them. */
export function foundFields(fields: object): string {
  const names = Object.keys(fields).slice(0, 8).map(describe);
  return names.length > 0 ? names.join(', ') : 'no fields';
}
