/**
 * Parts that plots of several figures have in common.
 *
 * @module
 */

import type { Markish, PlotOptions, ScaleOptions } from '@observablehq/plot';
import { type LegendEntry, type PlotLibrary, panelSize } from '../figures/figure.ts';
import type { SeriesStyle } from './series.ts';

/** The frame of a panel: room for ticks of 12 pixels, and a light grid. */
export function frame(x: ScaleOptions, y: ScaleOptions, marks: readonly Markish[]): PlotOptions {
  return {
    ...panelSize,
    marginLeft: 46,
    marginRight: 16,
    marginTop: 28,
    marginBottom: 44,
    insetTop: 4,
    x: { labelAnchor: 'center', labelArrow: 'none', ticks: 5, ...x },
    y: { labelAnchor: 'top', labelArrow: 'none', ticks: 5, grid: true, ...y },
    marks: [...marks],
  };
}

/** A frame whose rows have names, each a line high. */
export function rowsFrame(names: readonly string[], x: ScaleOptions, marks: readonly Markish[]): PlotOptions {
  const longest = Math.min(Math.max(...names.map((name) => name.length)), longestName);
  const y = { label: null, domain: names, grid: false, type: 'band', tickFormat: cutName } as const;
  return {
    ...frame({ nice: true, grid: true, ticks: 4, ...x }, y, marks),
    height: 76 + 26 * names.length,
    marginTop: 8,
    marginRight: 22,
    marginLeft: 24 + longest * 7,
  };
}

/** Characters of a name beside a row; legends and tables have the whole. */
const longestName = 18;

function cutName(name: string): string {
  return name.length <= longestName ? name : `${name.slice(0, longestName - 1)}\u2026`;
}

/** How lines that stand for no optimizer are drawn, as those of the retrained model. */
export const referenceStyle: SeriesStyle = { color: 'currentColor', symbol: 'cross', dash: '1 4' };

export function referenceEntry(name: string, as: LegendEntry['as']): LegendEntry {
  return { name, style: referenceStyle, as };
}

/** Values of a series along an axis with their spread. */
export interface BandRow {
  readonly x: number;
  readonly mean: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** The end of an interval no further than a share or a probability goes. */
export function asShare(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(Math.max(value, 0), 1);
}

/** A line of means, within a band where values spread, with a mark at each where they are few. */
export function bandMarks(plot: PlotLibrary, rows: readonly BandRow[], style: SeriesStyle): Markish[] {
  const { color, dash, symbol } = style;
  const spread = rows.filter(({ low, high }) => low !== undefined && high !== undefined);
  const spreads = spread.some(({ low, high }) => high! > low!);
  const few = rows.length <= 24;
  return [
    ...(spreads
      ? [
          plot.areaY(spread, {
            x: 'x',
            y1: 'low',
            y2: 'high',
            fill: color,
            fillOpacity: 0.16,
          }),
        ]
      : []),
    plot.line(rows, { x: 'x', y: 'mean', stroke: color, strokeWidth: 2, strokeDasharray: dash }),
    ...(few ? [plot.dot(rows, { x: 'x', y: 'mean', fill: color, symbol, r: 3.5 })] : []),
  ];
}
