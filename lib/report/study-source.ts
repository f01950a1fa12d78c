/**
 * What a page on a study is made of.
 *
 * @module
 */

import type { Markish } from '@observablehq/plot';
import type { CellSummary, StudySummary } from '../study/analysis/summary.ts';
import type { TrialRecord } from '../study/trial/record.ts';
import type { LegendEntry, Panel, PlotLibrary } from './figures/figure.ts';
import { asShare, type BandRow, bandMarks } from './plot/panels.ts';
import { type SeriesStyle, seriesStyle } from './plot/series.ts';

export interface StudySource {
  readonly summary: StudySummary;
  readonly trials: readonly TrialRecord[];
}

/** What one comparison of optimizers is about; a type, since rows of data, which have it, may be of any names. */
export type Setting = {
  readonly model: string;
  readonly split: string;
  readonly method: string;
};

export function settingOf({ model, split, method }: Setting): Setting {
  return { model, split, method };
}

export function isSame(a: Setting, b: Setting): boolean {
  return a.model === b.model && a.split === b.split && a.method === b.method;
}

/** The settings of a study of which there is something, in its order. */
export function settingsOf({ summary, trials }: StudySource): Setting[] {
  const { models, splits, methods } = summary.study;
  const all = models.flatMap((model) =>
    splits.flatMap((split) =>
      methods.map((method) => ({ model: model.name, split: split.name, method: method.name as string })),
    ),
  );
  return all.filter((setting) => trials.some((trial) => isSame(trial, setting)));
}

/** Panels of the rows of each setting that has some. */
export function panelsBySetting<Row extends Setting>(
  source: StudySource,
  rows: readonly Row[],
  panelsOf: (own: Row[], setting: Setting) => Panel[],
): Panel[] {
  return settingsOf(source).flatMap((setting) => {
    const own = rows.filter((row) => isSame(row, setting));
    return own.length === 0 ? [] : panelsOf(own, setting);
  });
}

/** A setting in words: what is the same in the whole study is left out. */
export function settingText(source: StudySource, setting: Setting): string {
  const { models, splits, methods } = source.summary.study;
  const parts = [
    ...(models.length > 1 ? [setting.model] : []),
    ...(splits.length > 1 ? [setting.split] : []),
    ...(methods.length > 1 ? [setting.method] : []),
  ];
  return parts.join(', ');
}

/** The title of a panel, with its setting where there are several. */
export function panelTitle(source: StudySource, setting: Setting, title: string): string {
  const text = settingText(source, setting);
  return text === '' ? title : `${title}: ${text}`;
}

export function optimizerNames({ summary }: StudySource): string[] {
  return summary.study.optimizers.map(({ name }) => name);
}

export function styleOf(source: StudySource, optimizer: string): SeriesStyle {
  return seriesStyle(Math.max(optimizerNames(source).indexOf(optimizer), 0));
}

/** The optimizers that rows have, in the study's order. */
export function optimizersIn(source: StudySource, rows: readonly { readonly optimizer: string }[]): string[] {
  return optimizerNames(source).filter((name) => rows.some(({ optimizer }) => optimizer === name));
}

export function optimizerLegend(
  source: StudySource,
  rows: readonly { readonly optimizer: string }[],
  as: LegendEntry['as'],
): LegendEntry[] {
  return optimizersIn(source, rows).map((name) => ({ name, style: styleOf(source, name), as }));
}

/** A line with its band for each optimizer, of shares or probabilities. */
export function optimizerBands<Row extends { readonly optimizer: string }>(
  source: StudySource,
  plot: PlotLibrary,
  rows: readonly Row[],
  point: (row: Row) => BandRow,
): Markish[] {
  return optimizersIn(source, rows).flatMap((name) => {
    const points = rows.filter(({ optimizer }) => optimizer === name).map(point);
    const band = points.map(({ low, high, ...at }) => ({ ...at, low: asShare(low), high: asShare(high) }));
    return bandMarks(plot, band, styleOf(source, name));
  });
}

/** A trial that the validation half chose by its score at the end, with its cell. */
export interface ChosenTrial {
  readonly cell: CellSummary;
  readonly draw: number;
  readonly trial: TrialRecord;
}

export function chosenTrials({ summary, trials }: StudySource): ChosenTrial[] {
  const byId = new Map(trials.map((trial) => [trial.id, trial]));
  return summary.cells.flatMap((cell) =>
    cell.chosen.flatMap(({ draw, end }) => {
      const trial = byId.get(end);
      return trial === undefined ? [] : [{ cell, draw, trial }];
    }),
  );
}

/** The chosen trials of every cell that has some. */
export function chosenByCell(source: StudySource): { readonly cell: CellSummary; readonly trials: TrialRecord[] }[] {
  const chosen = chosenTrials(source);
  return source.summary.cells
    .map((cell) => ({ cell, trials: chosen.filter((each) => each.cell === cell).map(({ trial }) => trial) }))
    .filter(({ trials }) => trials.length > 0);
}

/** Figures of the model that was retrained without the forget set, in the half that is reported. */
export function retrainedOf(source: StudySource, setting: Setting): { forget: number; retain: number } | undefined {
  return source.trials.find((trial) => isSame(trial, setting) && trial.retrained)?.retrained?.test;
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** Items by a key, in the order in which keys come first. */
export function grouped<Item, Key extends string | number>(
  items: readonly Item[],
  key: (item: Item) => Key,
): [Key, Item[]][] {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return [...groups];
}
