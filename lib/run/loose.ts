/**
 * Values that others wrote, as a run.json: nothing in them is trusted to be there, or to be of its type.
 *
 * @module
 */

import { describe } from '../core/errors.ts';
import { isObject } from '../core/json.ts';

/** An object of whose values nothing is known. */
export type Loose = Readonly<Record<string, unknown>>;

/** The object that a value is, an empty one where it is none. */
export function loose(value: unknown): Loose {
  return isObject(value) ? value : {};
}

/** The texts by their names that a value is; those of another type are left out. */
export function texts(value: unknown): Record<string, string> {
  return ofType(value, (each) => typeof each === 'string');
}

/** The numbers by their names that a value is, likewise. */
export function numbers(value: unknown): Record<string, number> {
  return ofType(value, (each) => typeof each === 'number');
}

/** A value in a line: a text as it is, anything else by what it is. */
export function inWords(value: unknown): string {
  return typeof value === 'string' ? value : describe(value);
}

function ofType<Type>(value: unknown, is: (each: unknown) => each is Type): Record<string, Type> {
  return Object.fromEntries(Object.entries(loose(value)).filter((entry): entry is [string, Type] => is(entry[1])));
}
