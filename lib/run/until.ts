/**
 * Conditions on a run's figures, at which it ends early: `forget.probability<0.2 and retain.probability>0.8`.
 *
 * @module
 */

import {
  expectedConditions,
  type FigureCondition,
  meetsCondition,
  missedBy,
  parseFigureConditions,
} from './figure-condition.ts';
import type { MeasuredSets } from './measure.ts';

/** What conditions may be, in words. */
export const untilExpected = expectedConditions(['after']);

/**
 * Reads conditions on the model as it is.
 *
 * @param name of the setting, for the error
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function untilConditions(name: string, text: unknown): FigureCondition[] {
  return parseFigureConditions(name, text, ['after']);
}

/** The sets that must be measured to know. */
export function setsOf(conditions: readonly FigureCondition[]): (keyof MeasuredSets)[] {
  return [...new Set(conditions.map(({ set }) => set))];
}

/**
 * Whether figures meet all conditions.
 *
 * @returns `lacking`: by how much the conditions that are not met are missed, added up; 0 where they all are
 */
export function meets(
  conditions: readonly FigureCondition[],
  measured: Partial<MeasuredSets>,
): { readonly holds: boolean; readonly lacking: number } {
  const values = conditions.map(({ set, figure }) => measured[set]?.[figure]);
  return {
    holds: conditions.every((condition, i) => meetsCondition(condition, values[i])),
    lacking: conditions.reduce((sum, condition, i) => sum + missedBy(condition, values[i]), 0),
  };
}

/**
 * Steps between two looks where nobody says: half an epoch, or more where looking would take more than about a third of the time that
 * stepping takes. A step pulls back as many examples of either set as a batch has, which costs about three times what scoring them does.
 */
export function defaultLookEvery(examples: number, batchSize: number, measured: number): number {
  return Math.max(Math.ceil(examples / batchSize / 2), Math.ceil(measured / (2 * batchSize)));
}
