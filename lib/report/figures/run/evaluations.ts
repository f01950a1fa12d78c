/**
 * Figures of the sets, on the way or before and after.
 *
 * @module
 */

import { bandMarks, frame } from '../../plot/panels.ts';
import { seriesStyle } from '../../plot/series.ts';
import type { RunSource } from '../../run-source.ts';
import { figure } from '../figure.ts';

type Row = {
  readonly step: number;
  readonly moment: string;
  readonly set: string;
  readonly figure: string;
  readonly value: number;
};

export const evaluations = figure<RunSource, Row>({
  name: 'evaluations',
  title: 'Figures on the way',
  text: 'Means over the examples of each set; target is what is to be forgotten, or learned.',
  rows: (source) => {
    const { evaluations: points, run } = source;
    if (points.length > 0) {
      return points.flatMap(({ step, moment, set, figures }) =>
        Object.entries(figures).map(([name, value]) => ({ step, moment, set, figure: name, value })),
      );
    }
    return Object.entries(run.evaluation ?? {}).flatMap(([set, { before, after }]) => [
      { step: 0, moment: 'before', set, figure: 'probability', value: before },
      { step: run.steps ?? 0, moment: 'after', set, figure: 'probability', value: after },
    ]);
  },
  draw: (all, _, plot) => {
    const sets = [...new Set(all.map(({ set }) => set))];
    return {
      legend: sets.map((name, i) => ({ name, style: seriesStyle(i), as: 'both' })),
      panels: [...new Set(all.map((row) => row.figure))].map((name) => {
        const marks = sets.flatMap((set, i) => {
          const own = all.filter((row) => row.figure === name && row.set === set);
          return bandMarks(
            plot,
            own.map(({ step, value }) => ({ x: step, mean: value })),
            seriesStyle(i),
          );
        });
        return {
          title: name,
          plot: frame({ label: 'optimizer steps' }, { label: name, zero: true, nice: true }, marks),
        };
      }),
    };
  },
});
