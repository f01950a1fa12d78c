/**
 * The data of a run in parts of its target set.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { randomStream } from '../core/random.ts';
import type { DataSets } from './source.ts';

/**
 * A part for each group of the target set, by the order in which they occur.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT where it has no groups
 */
export function partsByGroup(sets: DataSets): { readonly name: string; readonly sets: DataSets }[] {
  const { target, groups } = sets;
  if (groups?.length !== target.length) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'groups must hold a name for each target sequence', {
      argument: 'groups',
      expected: target.length,
      found: groups?.length,
    });
  }
  return [...new Set(groups)].map((name) => ({
    name,
    sets: partOf(
      sets,
      groups.flatMap((group, i) => (group === name ? [i] : [])),
    ),
  }));
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for more parts than target sequences */
export function checkPartCount(count: number, size: number): void {
  checkInteger('parts', count, { high: size, why: 'the examples to forget' });
}

/**
 * Parts of sizes that differ by one at most, drawn by the seed.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for more parts than target sequences
 */
export function randomParts(sets: DataSets, count: number, seed: bigint): DataSets[] {
  const size = sets.target.length;
  checkPartCount(count, size);
  const order = randomStream(seed, 'parts').permutation(size, 0);
  return Array.from({ length: count }, (_, part) =>
    partOf(
      sets,
      [...order.filter((_, i) => i % count === part)].sort((a, b) => a - b),
    ),
  );
}

/** The sets with a part of the target; what is to be kept is whole in each. */
function partOf({ target, refusals, alternatives, groups, ...rest }: DataSets, indices: readonly number[]): DataSets {
  const own = <T>(of: readonly T[]): T[] => indices.map((index) => of[index]!);
  return {
    ...rest,
    target: own(target),
    ...(refusals ? { refusals: { count: refusals.count, of: (i, refusal) => refusals.of(indices[i]!, refusal) } } : {}),
    ...(alternatives ? { alternatives: own(alternatives) } : {}),
    ...(groups ? { groups: own(groups) } : {}),
  };
}
