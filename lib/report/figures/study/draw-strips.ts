/**
 * Panels of values of each optimizer, a mark for each draw.
 *
 * @module
 */

import type { ScaleOptions } from '@observablehq/plot';
import { strip } from '../../plot/strip.ts';
import {
  isSame,
  optimizerLegend,
  optimizersIn,
  panelTitle,
  type Setting,
  type StudySource,
  settingsOf,
  styleOf,
} from '../../study-source.ts';
import type { Drawing, PlotLibrary } from '../figure.ts';

/** What a panel shows of a row. */
export interface StripPanel<Row> {
  readonly title: string;
  readonly x: ScaleOptions;
  readonly of: (row: Row) => number;
  /** Told of a mark beside its value. */
  readonly note?: (row: Row) => string;
}

/** For each model, split and method the panels that are asked for. */
export function drawStrips<Row extends Setting & { readonly optimizer: string; readonly draw: number }>(
  rows: readonly Row[],
  source: StudySource,
  plot: PlotLibrary,
  panels: readonly StripPanel<Row>[],
): Drawing {
  const settings = settingsOf(source).filter((setting) => rows.some((row) => isSame(row, setting)));
  return {
    legend: optimizerLegend(source, rows, 'mark'),
    panels: settings.flatMap((setting) => {
      const own = rows.filter((row) => isSame(row, setting));
      return panels.map(({ title, x, of, note }) => {
        const strips = optimizersIn(source, own).map((name) => ({
          name,
          style: styleOf(source, name),
          values: own
            .filter(({ optimizer }) => optimizer === name)
            .map((row) => ({
              value: of(row),
              title: `${name}, draw ${row.draw}: ${of(row).toPrecision(4)}${note ? `, ${note(row)}` : ''}`,
            })),
        }));
        return { title: panelTitle(source, setting, title), plot: strip(plot, strips, x) };
      });
    }),
  };
}
