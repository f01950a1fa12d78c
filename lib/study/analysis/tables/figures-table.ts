/**
 * Tables of figures, a row an optimizer: SOUL's table 2 and table 6, and robustness.
 *
 * @module
 */

import type { StudySummary } from '../summary.ts';
import { columnsOf, drawLines, estimateCell, figuresOf, labelsOf, type StudyTable } from './study-table.ts';

/** A table of figures; a new one is an entry below. */
interface TableDefinition {
  readonly name: string;
  readonly title: string;
  /** By their names. */
  readonly figures: readonly string[];
  /** Whether the original and the retrained model have rows. */
  readonly references?: true;
  /** Whether draws and diverged trials are counted. */
  readonly counts?: true;
}

/** Jia et al., "SOUL", 2024 (arXiv 2404.18239), table 2, with what it lacks: the score, and both sets at equal forgetting. */
const efficacy: TableDefinition = {
  name: 'efficacy',
  title: 'Unlearning efficacy and utility',
  references: true,
  counts: true,
  figures: [
    'score',
    ...['forget', 'forgetDistance', 'tofu/forgetQuality', 'tofu/rougeLRecall/forget'],
    ...['retain', 'equalRetain', 'equalReached', 'utility', 'tofu/modelUtility'],
    'tofu/rougeLRecall/retain',
    ...['tofu/containsAnswer/realAuthors', 'tofu/rougeLRecall/realAuthors'],
    ...['tofu/containsAnswer/worldFacts', 'tofu/rougeLRecall/worldFacts'],
  ],
};

const robustness: TableDefinition = {
  name: 'robustness',
  title: 'Robustness',
  references: true,
  figures: ['relearn', 'relearnRobustness', 'nf4', 'quantizationRobustness', 'robustness'],
};

/** Table 6 of the same paper. */
const cost: TableDefinition = {
  name: 'cost',
  title: 'Time and memory',
  figures: ['seconds', 'secondsPerStep', 'processorSeconds', 'estimateShare', 'peakMemory'],
};

const path: TableDefinition = {
  name: 'path',
  title: 'The way there',
  figures: ['equalStep', 'equalForget', 'moved', 'distance', 'clipped'],
};

/** In the order of documents. */
const definitions: readonly TableDefinition[] = [efficacy, robustness, cost, path];

/** Those of {@link definitions} that have a figure. */
export function figureTables(summary: StudySummary): StudyTable[] {
  return definitions.map((definition) => tableOf(summary, definition)).filter(({ columns }) => columns.length > 0);
}

function tableOf(summary: StudySummary, { name, title, figures: names, ...shown }: TableDefinition): StudyTable {
  const cells = summary.cells.filter(({ draws }) => draws.length > 0);
  const figures = figuresOf(summary, names, (figure) => cells.some((cell) => cell.figures[figure] !== undefined));
  const labels = labelsOf(summary);
  const counted = shown.counts && figures.length > 0 ? [{ group: '', title: 'diverged' }] : [];
  const ofModels = (shown.references ? summary.references : [])
    .filter((reference) => figures.some((figure) => reference.figures[figure.name] !== undefined))
    .map((reference) => ({
      labels: labels.of(reference, reference.name),
      cells: [
        ...figures.map((figure) => {
          const mean = reference.figures[figure.name];
          return estimateCell(mean === undefined ? undefined : { mean, draws: 0 }, figure);
        }),
        ...counted.map(() => ({ value: '-' })),
      ],
    }));
  const ofCells = cells.map((cell) => ({
    labels: labels.of(cell, cell.optimizer),
    cells: [
      ...figures.map((figure) => estimateCell(cell.figures[figure.name], figure)),
      ...counted.map(() => ({ value: `${cell.diverged} of ${cell.trials}` })),
    ],
  }));
  return {
    name,
    title,
    labels: labels.labels,
    columns: [...columnsOf(figures), ...counted],
    rows: [...ofModels, ...ofCells],
    legend: {},
    lines: drawLines(summary),
  };
}
