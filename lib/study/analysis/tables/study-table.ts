/**
 * What tables of a study have in common: rows by what tells them apart, cells of estimates.
 *
 * @module
 */

import type { FigureTable, TableCell } from '../../../eval/comparison/figure-table.ts';
import type { CellSummary, Estimate, StudyFigure, StudySummary } from '../summary.ts';
import { columnTitle, shownInterval, shownValue } from './numbers.ts';

export interface StudyTable extends FigureTable {
  /** By which a caller finds it. */
  readonly name: string;
  readonly title: string;
}

const kinds = ['model', 'split', 'method'] as const;

/** What tells rows apart: of model, split and method those of which there are several, and the optimizer. */
export function labelsOf({ cells }: StudySummary) {
  const several = kinds.filter((kind) => new Set(cells.map((cell) => cell[kind])).size > 1);
  return {
    labels: [...several, 'optimizer'],
    of: (row: { readonly [kind in (typeof kinds)[number]]?: string }, optimizer: string) => [
      ...several.map((kind) => row[kind] ?? ''),
      optimizer,
    ],
  };
}

/** The figures of these names that have a value in some row. */
export function figuresOf(
  { figures }: StudySummary,
  names: readonly string[],
  hasValue: (figure: string) => boolean,
): StudyFigure[] {
  return names.flatMap((name) => figures.find((figure) => figure.name === name && hasValue(name)) ?? []);
}

export function columnsOf(figures: readonly StudyFigure[]): FigureTable['columns'] {
  return figures.map((figure) => ({ group: '', title: columnTitle(figure) }));
}

/** A cell with the mean and its interval; empty where there is none. */
export function estimateCell(estimate: Estimate | undefined, figure: StudyFigure): TableCell {
  if (estimate === undefined) return { value: '-' };
  const interval = shownInterval(estimate, figure.unit);
  return { value: shownValue(estimate.mean, figure.unit), ...(interval === undefined ? {} : { interval }) };
}

/** How many draws figures are means over, and what is left out. */
export function drawLines({ cells, done }: StudySummary): string[] {
  const draws = drawCounts(cells);
  const leftOut = done - cells.reduce((sum, { trials }) => sum + trials, 0);
  return [
    `means over ${draws} ${draws === '1' ? 'draw' : 'draws'} of the batches${draws === '1' ? '' : ", in brackets 95 % intervals by Student's t"}`,
    ...(leftOut > 0
      ? [`left out: ${leftOut} ${leftOut === 1 ? 'trial' : 'trials'} of draws that are not done for all optimizers`]
      : []),
  ];
}

/** The draws that count, in words: of all rows, or from the fewest to the most. */
export function drawCounts(cells: readonly CellSummary[]): string {
  const counts = cells.map(({ draws }) => draws.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least} to ${most}`;
}
