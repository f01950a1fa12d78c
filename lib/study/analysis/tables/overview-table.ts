/**
 * Several studies in one table: what matters most of each optimizer.
 *
 * @module
 */

import type { StudySummary } from '../summary.ts';
import { standingOf } from './comparison-table.ts';
import { shownDifference, shownInterval } from './numbers.ts';
import { columnsOf, estimateCell, figuresOf, type StudyTable } from './study-table.ts';

const names = ['forget', 'retain', 'score', 'equalRetain'];

/** Figures of every cell that has a draw, and how much its score differs from the first optimizer's of its study; undefined without one. */
export function overviewTable(summaries: readonly StudySummary[]): StudyTable | undefined {
  const counted = summaries.flatMap((summary) =>
    summary.cells.filter(({ draws }) => draws.length > 0).map((cell) => ({ summary, cell })),
  );
  if (counted.length === 0) return undefined;
  const figures = figuresOf(counted[0]!.summary, names, (name) => counted.some(({ cell }) => cell.figures[name]));
  const score = figures.find(({ name }) => name === 'score')!;
  return {
    name: 'overview',
    title: 'Studies',
    labels: ['model', 'method', 'optimizer', 'draws'],
    columns: [...columnsOf(figures), { group: '', title: 'score minus that of the first optimizer' }],
    rows: counted.map(({ summary, cell }) => {
      const { model, split, method, optimizer, draws } = cell;
      const difference = summary.comparisons.find(
        (each) =>
          each.figure === score.name &&
          each.other === summary.study.optimizers[0]!.name &&
          each.optimizer === optimizer &&
          [each.model, each.split, each.method].join() === [model, split, method].join(),
      )?.difference;
      const interval = difference && shownInterval(difference, score.unit);
      return {
        labels: [model, method, optimizer, String(draws.length)],
        cells: [
          ...figures.map((figure) => estimateCell(cell.figures[figure.name], figure)),
          difference === undefined
            ? { value: '' }
            : {
                value: shownDifference(difference.mean, score.unit),
                mark: standingOf(difference),
                ...(interval === undefined ? {} : { interval }),
              },
        ],
      };
    }),
    legend: {},
    lines: [],
  };
}
