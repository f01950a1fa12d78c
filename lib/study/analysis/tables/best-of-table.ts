/**
 * The expected score of the best of n trials.
 *
 * @module
 */

import type { StudyFigure, StudySummary } from '../summary.ts';
import { drawLines, estimateCell, labelsOf, type StudyTable } from './study-table.ts';

/** undefined where nothing is done. */
export function bestOfTable(summary: StudySummary): StudyTable | undefined {
  const cells = summary.cells.filter(({ bestOf }) => bestOf.length > 0);
  if (cells.length === 0) return undefined;
  const score = summary.figures.find(({ name }) => name === 'score') as StudyFigure;
  const labels = labelsOf(summary);
  return {
    name: 'bestOf',
    title: 'Score of the best of n trials',
    labels: labels.labels,
    columns: cells[0]!.bestOf.map((_, i) => ({ group: '', title: `n = ${i + 1}` })),
    rows: cells.map((cell) => ({
      labels: labels.of(cell, cell.optimizer),
      cells: cell.bestOf.map((estimate) => estimateCell(estimate, score)),
    })),
    legend: {},
    lines: [
      ...drawLines(summary),
      'exact over all subsets of n trials, of each the one that the validation half chooses',
    ],
  };
}
