/**
 * What was kept of a run, checked as it is taken up.
 *
 * @module
 */

import { SoulError, shortName } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { isObject, type Json } from '../core/json.ts';
import type { KeptProgress } from './journal.ts';

/** Memory by names, as {@link Progress} has it. */
export type NamedMemory = Readonly<Record<string, FlatBuffer | Float32Array>>;

/** What is there is not what was kept. */
export function otherWay(what: string, kept: string, found: string): SoulError {
  return new SoulError(
    'SOUL_BAD_FILE',
    `the run cannot be resumed, since it took another way than before: ${what} was ${kept} when its progress was kept, and is ${found} now`,
    { what, expected: kept, found },
  );
}

/** What was kept is no such state. */
export function noState(what: string): SoulError {
  return new SoulError(
    'SOUL_BAD_FILE',
    `the run cannot be resumed: its kept progress is damaged, or another version's (${what})`,
    { what },
  );
}

/** The members of an object in a state. */
export function membersOf(what: string, json: Json | undefined): { readonly [name: string]: Json } {
  if (isObject(json)) return json as { readonly [name: string]: Json };
  throw noState(what);
}

/** The numbers of an object in a state, none but those named. */
export function numbersOf(what: string, value: unknown, names: readonly string[]): Record<string, number> {
  if (typeof value !== 'object' || value === null) throw noState(what);
  const found = Object.keys(value);
  if (found.toSorted().join() !== names.toSorted().join()) throw otherWay(what, listOf(found), listOf(names));
  const wrong = Object.values(value).find((each) => typeof each !== 'number');
  if (wrong !== undefined) throw noState(what);
  return value as Record<string, number>;
}

/** Fills memory with what was kept under names that begin so; nothing is touched unless all of it fits. */
export async function readAll(kept: KeptProgress, prefix: string, memory: NamedMemory): Promise<void> {
  for (const [name, { length }] of Object.entries(memory)) {
    const found = kept.lengthOf(`${prefix}${name}`);
    if (found === length) continue;
    throw otherWay(
      `the memory ${shortName(name)}`,
      found === undefined ? 'not there' : `of ${found} elements`,
      `of ${length}`,
    );
  }
  for (const [name, target] of Object.entries(memory)) await kept.readInto(`${prefix}${name}`, target);
}

/** Names in a message. */
export function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map(shortName).join(', ');
}
