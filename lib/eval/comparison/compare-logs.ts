/**
 * Evaluations of several models side by side, with what tells them apart.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import type { Estimate, Figure, Outcome, Subject } from '../figures/figure.ts';
import { checkProfile, countItems, figureFrom, type MeasureLogOptions, subjectOf } from '../figures/measure-log.ts';
import { Bootstrap, bootstrapOptionNames } from '../metrics/bootstrap.ts';
import type { TruthRatioOptions } from '../metrics/truth-ratio.ts';
import { evaluationProfile, type ProfileName } from '../profiles.ts';
import { checkComparable, type NamedLog } from './comparable.ts';
import { type Direction, directionOf, distanceFromBest } from './direction.ts';
import { type ComparisonColumn, type ComparisonLayout, columnTitle, comparisonLayout, metricOf } from './layouts.ts';

export interface CompareLogsOptions extends Omit<MeasureLogOptions, 'original'> {
  /** The figures; the layout `short` by default. */
  layout?: ComparisonLayout;
  /** The name of the model with which the others are compared; by default the best of each column. */
  baseline?: string;
}

/**
 * How a model stands to the one that it is compared with: `best` or `baseline`, it is that one, or has the same value as the best; `alike`,
 * the interval of their difference holds 0; `different`; `unknown`, there is no interval, as of one item.
 */
export type Standing = 'best' | 'baseline' | 'alike' | 'different' | 'unknown';

export interface ComparisonCell extends Omit<Figure, 'metric' | 'set'> {
  /** Absent where there is no value, or none to compare with. */
  readonly standing?: Standing;
  /** The interval of the value less the one that it is compared with; absent where the figure is not what is resampled. */
  readonly difference?: readonly [low: number, high: number];
}

export interface ComparedColumn {
  readonly metric: string;
  readonly set?: Figure['set'];
  readonly group: string;
  readonly title: string;
  /** What is better. */
  readonly direction: Direction;
}

export interface ComparedModel {
  readonly name: string;
  /** One for each column. */
  readonly cells: readonly ComparisonCell[];
}

export interface Comparison {
  readonly profile: ProfileName;
  readonly truthRatioMean: NonNullable<TruthRatioOptions['mean']>;
  /** What embedded sentences for the accuracy; absent where nothing did. */
  readonly embedder?: string;
  /** How many items of each set were measured. */
  readonly items: Readonly<Record<string, number>>;
  readonly columns: readonly ComparedColumn[];
  readonly models: readonly ComparedModel[];
  readonly baseline?: string;
  readonly resamples: number;
  readonly level: number;
  readonly notes: readonly string[];
}

/** A cell before it is compared. */
interface Measured {
  readonly outcome: Outcome;
  readonly figure: Omit<Figure, 'metric' | 'set'>;
}

/**
 * Figures of several logs of the same questions. Whether two models differ is told by a paired bootstrap over the items: where the interval
 * of the difference holds 0, they are alike, as far as these questions tell. No account is taken of how many comparisons a table makes.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, also for logs of two profiles, splits or limits, and two of one name; SOUL_BAD_DATA for other
 *   questions
 *
 * @example
 * const { models } = compareLogs([{ name: 'npo', log: npo }, { name: 'graddiff', log: graddiff }], { reference: retrained });
 */
export function compareLogs(logs: readonly NamedLog[], options: CompareLogsOptions = {}): Comparison {
  const own = ['layout', 'baseline', 'profile', 'truthRatioMean', 'reference'] as const;
  checkNames('options', options, [...bootstrapOptionNames, ...own]);
  const { layout = comparisonLayout('short'), baseline, profile, truthRatioMean, reference, ...resampling } = options;
  checkNamed(logs, baseline);
  checkComparable(logs);
  if (profile !== undefined) for (const { name, log } of logs) checkProfile(name, log, evaluationProfile(profile));
  const subjects = logs.map(({ log }) => subjectOf(log, withoutUndefined({ profile, truthRatioMean, reference })));
  const bootstrap = new Bootstrap(resampling);
  const columns = layout.columns
    .map((column) =>
      compareColumn(column, subjects, bootstrap, baseline === undefined ? undefined : indexOf(logs, baseline)),
    )
    .filter(({ cells }) => !layout.sparse || cells.some(({ value }) => value !== undefined));
  const [first] = subjects as [Subject, ...Subject[]];
  const counted = subjects.map(countItems);
  const embedder = logs.map(({ log }) => log.recorded?.embedder).find((name) => name !== undefined);
  return {
    profile: first.profile.name,
    truthRatioMean: first.profile.truthRatio.mean,
    ...withoutUndefined({ embedder }),
    // Of a set that several have they have as many.
    items: Object.assign({}, ...counted.map((each) => each.items)),
    columns: columns.map(({ head }) => head),
    models: logs.map(({ name }, row) => ({ name, cells: columns.map(({ cells }) => cells[row]!) })),
    ...withoutUndefined({ baseline }),
    resamples: bootstrap.resamples,
    level: bootstrap.level,
    notes: notesOf(logs, (row) => [...counted[row]!.notes, ...cellNotes(columns, row)]),
  };
}

function checkNamed(logs: readonly NamedLog[], baseline: string | undefined): void {
  if (logs.length === 0) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'logs must be at least one, but are none', { argument: 'logs' });
  }
  const names = logs.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `two models are called ${twice}; give one another name`, {
      argument: 'logs',
      name: twice,
    });
  }
  if (baseline === undefined || names.includes(baseline)) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `baseline must be one of the models ${names.join(', ')}, but is ${baseline}`,
    { argument: 'baseline', found: baseline },
  );
}

function indexOf(logs: readonly NamedLog[], name: string): number {
  return logs.findIndex((each) => each.name === name);
}

function compareColumn(
  column: ComparisonColumn,
  subjects: readonly Subject[],
  bootstrap: Bootstrap,
  baseline: number | undefined,
): { head: ComparedColumn; cells: ComparisonCell[] } {
  const metric = metricOf(column);
  const { set } = column;
  const names = typeof column.metric === 'string' ? [column.metric] : column.metric;
  const name = metric?.name ?? names[0]!;
  const measured = subjects.map((subject): Measured => {
    const outcome = metric?.estimate(subject, set) ?? `there is no figure ${name} of this set`;
    return { outcome, figure: figureFrom(outcome, bootstrap) };
  });
  const direction = directionOf(name, set, subjects[0]!.profile);
  const other = baseline ?? bestOf(measured, direction);
  return {
    head: { metric: name, ...withoutUndefined({ set }), ...columnTitle(column), direction },
    cells: measured.map((each, row) => ({
      ...each.figure,
      ...standingOf(each, row, measured, other, direction, { bootstrap, isBaseline: baseline !== undefined }),
    })),
  };
}

/** The first of those with the best value; undefined where there is none, or nothing is better. */
function bestOf(measured: readonly Measured[], direction: Direction): number | undefined {
  if (direction === undefined) return undefined;
  const distance = distanceFromBest(direction);
  let best: number | undefined;
  for (const [row, { outcome, figure }] of measured.entries()) {
    if (figure.value === undefined || isTrivial(outcome)) continue;
    if (best === undefined || distance(figure.value) < distance(measured[best]!.figure.value!)) best = row;
  }
  return best;
}

function standingOf(
  { outcome, figure }: Measured,
  row: number,
  measured: readonly Measured[],
  other: number | undefined,
  direction: Direction,
  { bootstrap, isBaseline }: { readonly bootstrap: Bootstrap; readonly isBaseline: boolean },
): Pick<ComparisonCell, 'standing' | 'difference'> {
  const compared = other === undefined ? undefined : measured[other]!;
  if (figure.value === undefined || compared?.figure.value === undefined) return {};
  if (isTrivial(outcome) || isTrivial(compared.outcome)) return {};
  if (row === other) return { standing: isBaseline ? 'baseline' : 'best' };
  if (!isBaseline && figure.value === compared.figure.value) return { standing: 'best' };
  // A figure without a value has none of its own; both have one here.
  const [one, two] = [outcome as Estimate, compared.outcome as Estimate];
  const nearest = typeof direction === 'object' && !isBaseline ? direction.nearest : undefined;
  // Where the best is what is nearest to a number, not the figures but their distances to it are compared.
  const distance = nearest === undefined ? undefined : (figure: number) => Math.abs(figure - nearest);
  const interval = bootstrap.difference(one, two, distance);
  if (interval === undefined) return { standing: 'unknown' };
  const standing = interval[0] <= 0 && interval[1] >= 0 ? 'alike' : 'different';
  // A map keeps or turns the order, so it changes nothing of whether there is a difference; but the interval is not one of it.
  return { standing, ...(one.map || nearest !== undefined ? {} : { difference: interval }) };
}

function isTrivial(outcome: Outcome): boolean {
  return typeof outcome !== 'string' && outcome.trivial === true;
}

function cellNotes(
  columns: readonly { head: ComparedColumn; cells: readonly ComparisonCell[] }[],
  row: number,
): string[] {
  return columns.flatMap(({ head, cells }) => {
    const { note } = cells[row]!;
    return note === undefined ? [] : [`${head.title}: ${note}`];
  });
}

/** Notes on models, each once, with the names of those that it is of unless it is of all. */
function notesOf(logs: readonly NamedLog[], ofRow: (row: number) => readonly string[]): string[] {
  const named = new Map<string, Set<string>>();
  for (const [row, { name }] of logs.entries()) {
    for (const note of ofRow(row)) named.set(note, (named.get(note) ?? new Set()).add(name));
  }
  return [...named].map(([note, names]) => (names.size === logs.length ? note : `${[...names].join(', ')}: ${note}`));
}
