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

/** Figures under one heading. */
export interface ColumnGroup {
  readonly group: string;
  readonly figures: readonly string[];
}

/** A column that has a value in some row. */
interface Column {
  readonly group: string;
  readonly figure: StudyFigure;
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

/** The columns of groups, those without a value anywhere left out. */
export function columnsOf(
  { figures }: StudySummary,
  groups: readonly ColumnGroup[],
  hasValue: (figure: string) => boolean,
): Column[] {
  return groups.flatMap(({ group, figures: names }) =>
    names.flatMap((name) => {
      const figure = figures.find((each) => each.name === name);
      return figure && hasValue(name) ? [{ group, figure }] : [];
    }),
  );
}

export function columnTitles(columns: readonly Column[]): FigureTable['columns'] {
  return columns.map(({ group, figure }) => ({ group, title: columnTitle(figure) }));
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
