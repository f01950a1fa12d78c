/**
 * Parameter groups: ranges of the buffers with settings of their own.
 *
 * @module
 */

import { checkBoolean, checkInteger, checkNumber, valueOr } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { OptimizerOptions, OptimizerParameters, ParameterGroup } from './optimizer.ts';

/** Groups laid out as the ranges that native code walks. */
export interface GroupLayout {
  /** Five numbers a range: start, length, learning-rate scale, weight decay (NaN: the step's), counts for rho. */
  readonly segments: Float64Array;
  /** For each range, its index in `groups`. */
  readonly groupOf: readonly number[];
  readonly groups: readonly { readonly name: string; readonly length: number }[];
}

/** The groups that were given, else those of the layout that came with the parameters. */
export function groupsOf(
  { layout }: OptimizerParameters,
  { parameterGroups }: OptimizerOptions,
): readonly ParameterGroup[] | undefined {
  return parameterGroups === undefined ? layout?.ranges?.() : parameterGroups;
}

const names = ['name', 'start', 'length', 'weightDecay', 'learningRateScale', 'embedding'] as const;

/**
 * Checks groups against buffers of `length` elements and fills the gaps between them with a group `'default'`.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a range that is outside the buffers or overlaps another
 */
export function layOutGroups(groups: readonly ParameterGroup[] | undefined, length: number): GroupLayout {
  if (groups !== undefined && !Array.isArray(groups)) {
    throw invalidArgument('parameterGroups', 'an array of groups', groups);
  }
  const given = (groups ?? []).map((group, index) => checkGroup(group, index, length));
  const ordered = given.toSorted((a, b) => a.start - b.start || a.length - b.length);
  const numbers: number[] = [];
  const groupOf: number[] = [];
  let end = 0;
  let outside = 0;
  const leave = (until: number): void => {
    if (until === end) return;
    numbers.push(end, until - end, 1, Number.NaN, 1);
    groupOf.push(given.length);
    outside += until - end;
  };
  for (const group of ordered) {
    if (group.start < end) {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `parameterGroups[${group.index}] starts at ${group.start}, within another group that ends at ${end}`,
        { argument: 'parameterGroups', index: group.index },
      );
    }
    leave(group.start);
    numbers.push(group.start, group.length, group.learningRateScale, group.weightDecay, group.embedding ? 0 : 1);
    groupOf.push(group.index);
    end = group.start + group.length;
  }
  leave(length);
  const shown = given.map(({ name, length: own }) => ({ name, length: own }));
  if (outside > 0 || given.length === 0) shown.push({ name: 'default', length: outside });
  return { segments: Float64Array.from(numbers), groupOf, groups: shown };
}

function checkGroup(group: ParameterGroup, index: number, length: number) {
  const argument = `parameterGroups[${index}]`;
  checkNames(argument, group, names);
  const { name = `group ${index}`, start, length: own, weightDecay, learningRateScale = 1 } = group;
  if (typeof name !== 'string') throw invalidArgument(`${argument}.name`, 'a string', name);
  checkInteger(`${argument}.start`, start, { low: 0, high: length });
  checkInteger(`${argument}.length`, own, { low: 0, high: length - start, why: 'where the buffers end' });
  return {
    index,
    name,
    start,
    length: own,
    weightDecay: weightDecay === undefined ? Number.NaN : checkNumber(`${argument}.weightDecay`, weightDecay),
    learningRateScale: checkNumber(`${argument}.learningRateScale`, learningRateScale),
    embedding: checkBoolean(`${argument}.embedding`, valueOr(group.embedding, name === 'embedding')),
  };
}
