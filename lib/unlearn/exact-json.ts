/**
 * Values as JSON that gives back every number to the bit: NaN, infinities and -0, which JSON lacks, become objects.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import type { Json } from '../core/json.ts';

const mark = '$number';

/** @throws SoulError SOUL_INVALID_ARGUMENT for what JSON cannot hold, such as functions and buffers, and for a member `$number` */
export function toExactJson(argument: string, value: unknown): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { [mark]: Object.is(value, -0) ? '-0' : `${value}` };
  }
  if (Array.isArray(value)) return value.map((each, i) => toExactJson(`${argument}[${i}]`, each));
  if (typeof value === 'object' && isPlain(value) && !Object.hasOwn(value, mark)) {
    const present = Object.entries(value).filter(([, each]) => each !== undefined);
    return Object.fromEntries(present.map(([name, each]) => [name, toExactJson(`${argument}.${name}`, each)]));
  }
  throw invalidArgument(argument, 'what JSON can hold', value);
}

/** What {@link toExactJson} was given. */
export function fromExactJson(json: Json): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromExactJson);
  const { [mark]: number } = json as { readonly [name: string]: Json };
  if (typeof number === 'string') return Number(number);
  return Object.fromEntries(Object.entries(json).map(([name, each]) => [name, fromExactJson(each)]));
}

function isPlain(value: object): boolean {
  return [Object.prototype, null].includes(Object.getPrototypeOf(value));
}
