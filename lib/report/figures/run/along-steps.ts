/**
 * Figures of a run whose values stand along its steps.
 *
 * @module
 */

import type { ScaleOptions } from '@observablehq/plot';
import { bandMarks, frame } from '../../plot/panels.ts';
import { seriesStyle } from '../../plot/series.ts';
import type { RunSource, StepSpan } from '../../run-source.ts';
import { figure, type ReportFigure } from '../figure.ts';

type Row = {
  readonly step: number;
  /** Over so many steps the value is the mean. */
  readonly steps: number;
  readonly series: string;
  readonly value: number;
};

export interface AlongSteps {
  readonly name: string;
  readonly title: string;
  readonly text: string;
  /** Values of a span of steps by the names of their series. */
  readonly values: (span: StepSpan) => Readonly<Record<string, number | undefined>>;
  readonly y: ScaleOptions & { readonly label: string };
}

export function alongSteps({ name, title, text, values, y }: AlongSteps): ReportFigure<RunSource> {
  return figure<RunSource, Row>({
    name,
    title,
    text,
    rows: ({ spans }) =>
      spans.flatMap((span) =>
        Object.entries(values(span)).flatMap(([series, value]) =>
          value === undefined ? [] : [{ step: span.step, steps: span.steps, series, value }],
        ),
      ),
    draw: (all, _, plot) => {
      const series = [...new Set(all.map((row) => row.series))];
      const positive = y.type === 'log' ? all.filter(({ value }) => value > 0) : all;
      const marks = series.flatMap((each, i) => {
        const line = positive.filter((row) => row.series === each).map(({ step, value }) => ({ x: step, mean: value }));
        return bandMarks(plot, line, seriesStyle(i));
      });
      return {
        legend: series.length > 1 ? series.map((each, i) => ({ name: each, style: seriesStyle(i), as: 'line' })) : [],
        panels: [{ title, plot: frame({ label: 'optimizer steps' }, { nice: true, ...y }, marks) }],
      };
    },
  });
}
