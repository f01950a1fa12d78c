/**
 * What a figure of the report is. A new one is a file in `study/` or `run/`, and a line in the list there.
 *
 * @module
 */

import type { PlotOptions } from '@observablehq/plot';
import type { DataRow } from '../page/csv.ts';
import type { Content } from '../page/html.ts';
import type { SeriesStyle } from '../plot/series.ts';

/** Observable Plot, which is loaded when a page is made. */
export type PlotLibrary = typeof import('@observablehq/plot');

/** A name in the legend. */
export interface LegendEntry {
  readonly name: string;
  readonly style: SeriesStyle;
  /** Drawn as a line, by marks, or both. */
  readonly as: 'line' | 'mark' | 'both';
}

/** One drawing of a figure: a figure has several where a study has several models, splits or methods, or values of several kinds. */
export interface Panel {
  /** Stands above it; told to those who do not see it, too. */
  readonly title: string;
  readonly plot: PlotOptions;
}

/** A figure as a page shows it. */
export interface Drawing {
  readonly legend: readonly LegendEntry[];
  readonly panels: readonly Panel[];
}

/** @typeParam Source what the figure is of */
export interface ReportFigure<Source, Row extends DataRow = DataRow> {
  /** Of its place in the page, and of its file of data. */
  readonly name: string;
  readonly title: string;
  /** What it shows and how to read it, in a sentence or two. */
  readonly text: Content;
  /** Its data; where there is none, the page has no such figure. */
  readonly rows: (source: Source) => readonly Row[];
  /** @param rows never empty */
  readonly draw: (rows: readonly Row[], source: Source, plot: PlotLibrary) => Drawing;
}

/** Width and height of a panel in its own units, which are pixels where there is room: narrow enough for a phone. */
export const panelSize = { width: 360, height: 260 } as const;

/** A figure whose rows are known to it alone, as lists hold it. */
export function figure<Source, Row extends DataRow>(definition: ReportFigure<Source, Row>): ReportFigure<Source> {
  return definition as unknown as ReportFigure<Source>;
}
