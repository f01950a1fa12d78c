/**
 * Conditions on a run's figures, as `--until` ends a run at and `soul verify --require` asks for: `forget.probability<0.2`.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import type { BeforeAndAfter, MeasuredSet, MeasuredSets } from './measure.ts';

/** What the words of a condition call the sets that are measured. */
const sets = { forget: 'target', train: 'target', retain: 'retain' } as const satisfies Record<
  string,
  keyof MeasuredSets
>;

/** Figures of a set that there are. */
const figures = ['probability'] as const satisfies (keyof MeasuredSet)[];

const comparisons = {
  '<': (value: number, bound: number) => value < bound,
  '<=': (value: number, bound: number) => value <= bound,
  '>': (value: number, bound: number) => value > bound,
  '>=': (value: number, bound: number) => value >= bound,
} as const;

/** One bound on one figure of one set. */
export interface FigureCondition {
  readonly set: keyof MeasuredSets;
  readonly figure: (typeof figures)[number];
  /** Of the model that a run begins with, or of the one that it ends with. */
  readonly moment: 'before' | 'after';
  readonly comparison: keyof typeof comparisons;
  readonly bound: number;
  /** As it was written. */
  readonly text: string;
}

const pattern = /^(\w+)\.(\w+)(?:\.(\w+))?\s*(<=|>=|<|>)\s*(\S+)$/;

/** What conditions may be, in words. */
export function expectedConditions(moments: readonly FigureCondition['moment'][]): string {
  const moment = moments.length > 1 ? `, .before or .after (the default)` : '';
  return (
    `conditions as 'forget.probability<0.2', several joined by 'and': a set (${Object.keys(sets).join(', ')}), a figure ` +
    `(${figures.join(', ')})${moment}, <, <=, > or >=, and a number`
  );
}

/**
 * Reads conditions, all of which must hold.
 *
 * @param name of the argument, for errors
 * @param moments at which figures may be asked for; the last counts where none is named
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function parseFigureConditions(
  name: string,
  text: unknown,
  moments: readonly FigureCondition['moment'][] = ['before', 'after'],
): FigureCondition[] {
  const expected = expectedConditions(moments);
  if (typeof text !== 'string') throw invalidArgument(name, expected, text);
  return text.split(/\s+and\s+/i).map((part) => {
    const [, set = '', figure, moment = moments.at(-1), comparison, number = ''] = pattern.exec(part.trim()) ?? [];
    const bound = number === '' ? Number.NaN : Number(number);
    const isKnown =
      Object.hasOwn(sets, set) &&
      (figures as readonly unknown[]).includes(figure) &&
      (moments as readonly unknown[]).includes(moment);
    if (!isKnown || !Number.isFinite(bound)) throw invalidArgument(name, expected, text);
    return {
      set: sets[set as keyof typeof sets],
      figure: figure as FigureCondition['figure'],
      moment: moment as FigureCondition['moment'],
      comparison: comparison as FigureCondition['comparison'],
      bound,
      text: part.trim(),
    };
  });
}

/** Whether a value meets a condition; what was not measured meets none. */
export function meetsCondition({ comparison, bound }: FigureCondition, value: number | undefined): boolean {
  return value !== undefined && comparisons[comparison](value, bound);
}

/** By how much a value misses a condition: 0 where it meets it, NaN where it was not measured. */
export function missedBy(condition: FigureCondition, value: number | undefined): number {
  return meetsCondition(condition, value) ? 0 : Math.abs((value ?? Number.NaN) - condition.bound);
}

/** The figure of a finished run that a condition is about. */
export function figureOf(
  { set, moment }: FigureCondition,
  evaluation: Partial<Record<keyof MeasuredSets, BeforeAndAfter>> | undefined,
): number | undefined {
  return evaluation?.[set]?.[moment];
}
