/**
 * Each optimizer less the first of the study.
 *
 * @module
 */

import type { FigureTable, Mark, TableCell } from '../../../eval/comparison/figure-table.ts';
import type { Comparison, Estimate, StudyFigure, StudySummary } from '../summary.ts';
import { shownDifference, shownInterval } from './numbers.ts';
import { columnsOf, figuresOf, labelsOf, type StudyTable } from './study-table.ts';

/** The figures whose differences are shown. */
const names = ['score', 'forget', 'retain', 'equalRetain', 'utility', 'robustness', 'secondsPerStep', 'peakMemory'];

/** What an interval of a difference says. */
export function standingOf({ low, high }: Estimate): Exclude<Mark, 'best'> {
  if (low === undefined || high === undefined) return 'untold';
  return low > 0 || high < 0 ? 'differs' : 'same';
}

/** undefined where there is nothing to compare. */
export function differenceTable(summary: StudySummary): StudyTable | undefined {
  const [first, ...others] = summary.study.optimizers.map(({ name }) => name);
  if (first === undefined || others.length === 0) return undefined;
  const ofFirst = summary.comparisons.filter(({ other }) => other === first);
  if (ofFirst.length === 0) return undefined;
  const figures = figuresOf(summary, names, (name) => ofFirst.some(({ figure }) => figure === name));
  const labels = labelsOf(summary);
  const rows = summary.cells
    .filter(({ optimizer, draws }) => optimizer !== first && draws.length > 0)
    .map((cell) => ({
      labels: labels.of(cell, cell.optimizer),
      cells: figures.map((figure) => {
        const found = ofFirst.find((each) => each.figure === figure.name && isOf(each, cell));
        return differenceCell(found?.difference, figure);
      }),
    }));
  const texts = {
    differs: 'the 95 % interval excludes 0',
    same: 'no difference is shown: the 95 % interval holds 0',
    untold: 'of one draw there is no interval',
  };
  const marks = new Set(rows.flatMap(({ cells }) => cells.map(({ mark }) => mark)));
  const legend: FigureTable['legend'] = Object.fromEntries(
    Object.entries(texts).filter(([mark]) => marks.has(mark as Mark)),
  );
  return {
    name: 'differences',
    title: `Each optimizer less ${first}`,
    labels: labels.labels,
    columns: columnsOf(figures),
    rows,
    legend,
    lines: ['paired by draw: both had the same batches', ...pairLines(rows)],
  };
}

function isOf(one: Comparison, cell: { model: string; split: string; method: string; optimizer: string }): boolean {
  return (['model', 'split', 'method', 'optimizer'] as const).every((key) => one[key] === cell[key]);
}

function differenceCell(difference: Estimate | undefined, figure: StudyFigure): TableCell {
  if (difference === undefined) return { value: '-' };
  const interval = shownInterval(difference, figure.unit);
  return {
    value: shownDifference(difference.mean, figure.unit),
    mark: standingOf(difference),
    ...(interval === undefined ? {} : { interval }),
  };
}

/** How many intervals there are, which are not widened for that. */
function pairLines(rows: FigureTable['rows']): string[] {
  const count = rows.flatMap(({ cells }) => cells.filter(({ interval }) => interval !== undefined)).length;
  if (count === 0) return [];
  return [
    `${count} intervals, none widened for being one of many: about ${expected(count)} would exclude 0 where nothing differs`,
  ];
}

function expected(count: number): string {
  const share = 0.05 * count;
  return share < 1 ? share.toFixed(1) : String(Math.round(share));
}
