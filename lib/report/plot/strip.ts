/**
 * Values of each optimizer along a line, with their mean.
 *
 * @module
 */

import type { PlotOptions, ScaleOptions } from '@observablehq/plot';
import type { PlotLibrary } from '../figures/figure.ts';
import { rowsFrame } from './panels.ts';
import type { SeriesStyle } from './series.ts';

export interface StripRow {
  readonly name: string;
  readonly style: SeriesStyle;
  /** One for each draw. */
  readonly values: readonly { readonly value: number; readonly title: string }[];
}

/** A line for each name; the bar across it is the mean. */
export function strip(plot: PlotLibrary, rows: readonly StripRow[], x: ScaleOptions): PlotOptions {
  const marks = rows.flatMap(({ name, style, values }) => {
    const y = () => name;
    const mean = values.reduce((sum, { value }) => sum + value, 0) / values.length;
    const { color, symbol } = style;
    return [
      plot.tickX([mean], {
        x: (value: number) => value,
        y,
        stroke: color,
        strokeWidth: 2,
        insetTop: 2,
        insetBottom: 2,
      }),
      plot.dot(values, { x: 'value', y, symbol, fill: color, fillOpacity: 0.75, r: 4, title: 'title' }),
    ];
  });
  return rowsFrame(
    rows.map(({ name }) => name),
    x,
    marks,
  );
}
