/**
 * Figures of an evaluation, and how each comes to be.
 *
 * @module
 */

import type { Estimator } from '../metrics/bootstrap.ts';
import type { Profile } from '../profiles.ts';
import type { EvaluationLog, EvaluationSet, LogItem } from '../tofu/log.ts';

/** One figure of a model; it has a value, or says why it has none. */
export interface Figure {
  /** The metric's name. */
  readonly metric: string;
  /** The set that it is of; absent for a figure of all of them. */
  readonly set?: EvaluationSet;
  /** The layer, from 0, of a figure that there is for each. */
  readonly layer?: number;
  readonly value?: number;
  /** Why there is no value. */
  readonly why?: string;
  /** Of the bootstrap over items. */
  readonly interval?: readonly [low: number, high: number];
  /** What else the computation gave, by name. */
  readonly details?: Readonly<Record<string, number>>;
  /** What should be known of it. */
  readonly note?: string;
}

/** What figures are computed from. */
export interface Subject {
  readonly profile: Profile;
  readonly log: EvaluationLog;
  /** Of a model that was trained without the forget set. */
  readonly reference?: EvaluationLog;
  /** Of the model before unlearning. */
  readonly original?: EvaluationLog;
}

/** How a figure comes from items; a map of the estimate must keep or turn its order. */
export interface Estimate extends Estimator {
  readonly map?: (figure: number) => number;
  readonly details?: (figure: number) => Record<string, number>;
  readonly note?: string;
  /** Whether the value follows from what is compared, whatever the model is: it has no interval, and is compared with nothing. */
  readonly trivial?: boolean;
}

/** An estimate, or in words why there is none. */
export type Outcome = Estimate | string;

/** A metric gives one figure of a log, or one of each set that it is about. */
export interface Metric {
  readonly name: string;
  /** For tables. */
  readonly title: string;
  /** The sets that it is about; absent for a figure of the log. */
  readonly sets?: readonly EvaluationSet[];
  readonly estimate: (subject: Subject, set: EvaluationSet | undefined) => Outcome;
}

/** A figure that is the mean of a number of each item. */
export interface ItemMetric extends Metric {
  readonly sets: readonly EvaluationSet[];
  readonly values: (subject: Subject, set: EvaluationSet) => readonly number[] | string;
}

/** The items of a set that a profile looks at; in words, why there are none. */
export function itemsOf(subject: Subject, set: EvaluationSet, log = subject.log): readonly LogItem[] | string {
  const items = log.sets[set];
  if (items === undefined) return `the ${log === subject.log ? '' : 'reference '}log has no set ${set}`;
  const { items: most } = subject.profile;
  return most !== undefined && (set === 'forget' || set === 'retain') ? items.slice(0, most) : items;
}

/** What a figure beside a reference is where that is the model itself: the same for every model. */
export const besideItself = { note: 'the reference is the model itself: all losses are equal', trivial: true } as const;

/** Whether the reference is the model itself, as the losses of the forget set tell. */
export function isBesideItself(subject: Subject): boolean {
  const { reference } = subject;
  const [own, other] = [itemsOf(subject, 'forget'), reference ? itemsOf(subject, 'forget', reference) : ''];
  if (typeof own === 'string' || typeof other === 'string') return false;
  return own.every(
    ({ answer, perturbed }, i) =>
      answer.meanLoss === other[i]!.answer.meanLoss &&
      (perturbed ?? []).every(({ meanLoss }, k) => meanLoss === other[i]!.perturbed?.[k]?.meanLoss),
  );
}

/** A number of each item; in words, what the log lacks for one, or which has none (NaN). */
export function numbersOf(
  items: readonly LogItem[],
  of: (item: LogItem, index: number) => number | string,
): readonly number[] | string {
  const all = items.map(of);
  const lacking = all.find((value) => typeof value === 'string');
  if (lacking !== undefined) return lacking;
  const none = all.findIndex((value) => Number.isNaN(value));
  return none < 0
    ? (all as number[])
    : `undefined: of item ${items[none]!.index} neither right nor wrong answers have any probability`;
}

/** The mean over a set's items of a number of each. */
export function itemMetric(
  given: Pick<ItemMetric, 'name' | 'title' | 'sets'> & {
    /** The number of an item; in words, what the log lacks for it. */
    readonly of: (item: LogItem, subject: Subject, set: EvaluationSet) => number | string;
  },
): ItemMetric {
  const { name, title, sets, of } = given;
  const values: ItemMetric['values'] = (subject, set) => {
    const items = itemsOf(subject, set);
    if (typeof items === 'string') return items;
    return numbersOf(items, (item) => of(item, subject, set));
  };
  return {
    name,
    title,
    sets,
    values,
    estimate(subject, set) {
      const given = values(subject, set!);
      if (typeof given === 'string') return given;
      return { groups: [{ name: set!, size: given.length }], figure: ([drawn]) => meanOf(given, drawn!) };
    },
  };
}

/** The mean of the values with these indices. */
export function meanOf(values: readonly number[], indices: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < indices.length; i++) sum += values[indices[i]!]!;
  return sum / indices.length;
}

/** The values with these indices. */
export function drawn(values: ArrayLike<number>, indices: ArrayLike<number>): Float64Array {
  const chosen = new Float64Array(indices.length);
  for (let i = 0; i < chosen.length; i++) chosen[i] = values[indices[i]!]!;
  return chosen;
}
