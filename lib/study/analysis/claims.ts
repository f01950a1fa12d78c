/**
 * What a study shows and what it does not, in sentences that are made from its figures alone.
 *
 * @module
 */

import type { CellSummary, Comparison, Estimate, StudyFigure, StudySummary } from './summary.ts';
import { standingOf } from './tables/comparison-table.ts';
import { shownDifference, shownInterval, shownValue } from './tables/numbers.ts';

export interface Claim {
  readonly figure: string;
  /** Whether a difference is shown, is not, or cannot be told of one draw. */
  readonly standing: 'shown' | 'not shown' | 'untold';
  readonly sentence: string;
}

/** What is said of an optimizer whose figure is above the other's, and below; a new entry is a claim that is looked at. */
const words: Readonly<Record<string, readonly [above: string, below: string, what: string]>> = {
  score: ['scores higher than', 'scores lower than', 'score at the end'],
  forget: ['forgets less than', 'forgets more than', 'forget probability at the end'],
  retain: ['keeps more of the retain set than', 'keeps less of the retain set than', 'retain probability at the end'],
  equalRetain: [
    'keeps more of the retain set at equal forgetting than',
    'keeps less of the retain set at equal forgetting than',
    'retain probability at equal forgetting',
  ],
  utility: ['keeps more of what no step uses than', 'keeps less of what no step uses than', 'utility'],
  robustness: ['withstands attacks better than', 'withstands attacks worse than', 'robustness'],
  secondsPerStep: ['takes more time a step than', 'takes less time a step than', 'time a step'],
  peakMemory: ['takes more memory than', 'takes less memory than', 'peak memory'],
};

/** Each optimizer beside the first of the study, figure by figure. */
export function claimsOf(summary: StudySummary): Claim[] {
  const [first] = summary.study.optimizers;
  const several = rowCount(summary) > 1;
  return Object.keys(words).flatMap((name) => {
    const figure = summary.figures.find((each) => each.name === name)!;
    return summary.comparisons
      .filter((comparison) => comparison.figure === name && comparison.other === first!.name)
      .map((comparison) => claimOf(comparison, figure, several ? ` (${placeOf(comparison)})` : ''));
  });
}

function claimOf(
  { figure: name, optimizer, other, difference }: Comparison,
  figure: StudyFigure,
  place: string,
): Claim {
  const [above, below, what] = words[name]!;
  const { mean, draws } = difference;
  const unit = { seconds: ' s', bytes: ' MiB', probability: '', share: '', number: '' }[figure.unit];
  const interval = shownInterval(difference, figure.unit);
  const value = `${shownDifference(mean, figure.unit)}${unit}`;
  switch (standingOf(difference)) {
    case 'differs':
      return {
        figure: name,
        standing: 'shown',
        sentence: `${optimizer} ${mean > 0 ? above : below} ${other}${place}: ${value} ${interval} over ${draws} draws.`,
      };
    case 'same':
      return {
        figure: name,
        standing: 'not shown',
        sentence: `No difference in ${what} is shown between ${optimizer} and ${other}${place}: ${value}, and the interval ${interval} over ${draws} draws holds 0.`,
      };
    default:
      return {
        figure: name,
        standing: 'untold',
        sentence: `Whether ${optimizer} and ${other} differ in ${what}${place} cannot be told of one draw: ${value}.`,
      };
  }
}

/** Which optimizer has the best mean of a figure in each row, and whether its lead over the next is more than chance. */
export function leadersOf(summary: StudySummary, name: string): string[] {
  const figure = summary.figures.find((each) => each.name === name)!;
  const several = rowCount(summary) > 1;
  const rows = new Map<string, CellSummary[]>();
  for (const cell of summary.cells) {
    if (cell.figures[name]) rows.set(placeOf(cell), [...(rows.get(placeOf(cell)) ?? []), cell]);
  }
  const sign = figure.better === 'lower' ? 1 : -1;
  return [...rows].flatMap(([place, cells]) => {
    const [best, next] = cells.toSorted((a, b) => sign * (a.figures[name]!.mean - b.figures[name]!.mean));
    if (best === undefined || next === undefined) return [];
    const estimate = best.figures[name]!;
    const interval = shownInterval(estimate, figure.unit);
    return [
      `The ${figure.better === 'lower' ? 'lowest' : 'highest'} mean of ${figure.label}${several ? ` (${place})` : ''} is that of ${best.optimizer}: ${shownValue(estimate.mean, figure.unit)}${interval === undefined ? '' : ` ${interval}`}; ${leadOf(summary, figure, best, next)}.`,
    ];
  });
}

function leadOf(
  { comparisons }: StudySummary,
  { name, unit }: StudyFigure,
  best: CellSummary,
  next: CellSummary,
): string {
  const between = (own: CellSummary, other: CellSummary) =>
    comparisons.find(
      (each) =>
        each.figure === name &&
        placeOf(each) === placeOf(own) &&
        each.optimizer === own.optimizer &&
        each.other === other.optimizer,
    )?.difference;
  // Of two optimizers there is one comparison.
  const difference = between(best, next) ?? negated(between(next, best));
  if (difference === undefined) return `no draw has it beside the next, ${next.optimizer}`;
  const value = `${shownDifference(difference.mean, unit)} ${shownInterval(difference, unit) ?? ''}`.trim();
  const said = {
    differs: 'whose interval excludes 0',
    same: 'whose interval holds 0',
    untold: 'of one draw',
  }[standingOf(difference)];
  return `its difference to the next, ${next.optimizer}, is ${value}, ${said}`;
}

function negated(difference: Estimate | undefined): Estimate | undefined {
  if (difference === undefined) return undefined;
  const { mean, low, high, draws } = difference;
  return low === undefined || high === undefined
    ? { mean: -mean, draws }
    : { mean: -mean, low: -high, high: -low, draws };
}

function placeOf({ model, split, method }: Pick<Comparison, 'model' | 'split' | 'method'>): string {
  return `${method} on ${model}, ${split}`;
}

function rowCount({ cells }: StudySummary): number {
  return new Set(cells.map(placeOf)).size;
}
