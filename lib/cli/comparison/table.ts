/**
 * A comparison of models as the cells of a table and the lines below it, whatever its form.
 *
 * @module
 */

import { printable } from '../../core/errors.ts';
import type { Comparison, ComparisonCell } from '../../eval/comparison/compare-logs.ts';
import {
  type FigureTable,
  type Mark,
  markOrder,
  type TableCell,
  type TableRow,
} from '../../eval/comparison/figure-table.ts';

/** What is known of a row beside its figures. */
export interface RowFacts {
  readonly method?: string;
  readonly optimizer?: string;
}

/**
 * @param facts of each model
 * @param options.intervals whether they are shown
 */
export function comparisonTable(
  comparison: Comparison,
  facts: readonly RowFacts[],
  { intervals }: { readonly intervals: boolean },
): FigureTable {
  const whys: string[] = [];
  const numberOf = (why: string) => {
    if (!whys.includes(why)) whys.push(why);
    return whys.indexOf(why) + 1;
  };
  const kinds = (['method', 'optimizer'] as const).filter((kind) => facts.some((own) => own[kind] !== undefined));
  const rows = comparison.models.map(({ name, cells }, row) => ({
    labels: [name, ...kinds.map((kind) => facts[row]![kind] ?? '')].map(printable),
    cells: cells.map((cell) => cellOf(cell, intervals, numberOf)),
  }));
  const legend = legendOf(comparison, rows);
  return {
    labels: ['model', ...kinds],
    columns: comparison.columns.map(({ group, title }) => ({ group, title })),
    rows,
    legend,
    lines: [...linesOf(comparison, intervals), ...whys.map((why, i) => `(${i + 1}) ${printable(why)}`)],
  };
}

function cellOf(cell: ComparisonCell, intervals: boolean, numberOf: (why: string) => number): TableCell {
  const { value, why = 'undefined', interval, standing } = cell;
  if (value === undefined) return { value: 'n/a', why: numberOf(why) };
  const mark = ({ best: 'best', alike: 'same', unknown: 'untold' } as const)[standing as 'best' | 'alike' | 'unknown'];
  return {
    value: figure(value),
    ...(interval && intervals ? { interval: `[${figure(interval[0])}, ${figure(interval[1])}]` } : {}),
    ...(mark ? { mark } : {}),
  };
}

/** Three digits behind the point, or with a power of ten where that says little. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const isPlain = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);
  return isPlain ? value.toFixed(3) : value.toExponential(2);
}

function legendOf(comparison: Comparison, rows: readonly TableRow[]): Partial<Record<Mark, string>> {
  const { baseline, level, models } = comparison;
  const other = baseline === undefined ? 'the best of its column' : printable(baseline);
  const all: Partial<Record<Mark, string>> = {
    best: 'the best of its column',
    same: `does not differ from ${other}: the ${percent(level)} interval of their difference holds 0`,
    untold: `whether it differs from ${other} cannot be told of these items`,
  };
  const isMarked = (mark: Mark) => rows.some(({ cells }) => cells.some((cell) => cell.mark === mark));
  // One row alone is the best of every column.
  return models.length < 2 ? {} : Object.fromEntries(markOrder.filter(isMarked).map((mark) => [mark, all[mark]!]));
}

function linesOf(comparison: Comparison, intervals: boolean): string[] {
  const { profile, truthRatioMean, embedder, items, resamples, level, columns, models, baseline, notes } = comparison;
  const counts = Object.entries(items).map(([set, count]) => `${count} of ${set}`);
  const isUndirected = columns.some(
    ({ direction }, column) =>
      direction === undefined && models.some(({ cells }) => cells[column]!.value !== undefined),
  );
  const drawn = [
    ...(intervals ? [`in brackets ${percent(level)} intervals`] : []),
    ...(models.length > 1 ? ['differences'] : []),
  ];
  return [
    `profile ${profile}, truth ratio by the ${truthRatioMean} mean; items: ${counts.join(', ')}`,
    ...(embedder === undefined ? [] : [`accuracy by the sentence embeddings of ${printable(embedder)}`]),
    ...(drawn.length > 0
      ? [`${drawn.join(' and ')}: of ${resamples} bootstrap resamples of the items, the same for all models`]
      : []),
    ...(isUndirected && models.length > 1 && baseline === undefined
      ? ['a column without a best is one where what is better depends on what a retrained model has']
      : []),
    ...notes.map((note) => `note: ${printable(note)}`),
  ];
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(6))}%`;
}
