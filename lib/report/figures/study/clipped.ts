/**
 * How many weights the second-order optimizers clip, over the steps.
 *
 * @module
 */

import { estimateOf } from '../../../study/analysis/student-t.ts';
import { frame } from '../../plot/panels.ts';
import {
  chosenByCell,
  grouped,
  mean,
  optimizerBands,
  optimizerLegend,
  panelsBySetting,
  panelTitle,
  type Setting,
  type StudySource,
  settingOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly optimizer: string;
  readonly step: number;
  readonly share: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly outsideEmbeddings: number | undefined;
  readonly draws: number;
};

function rows(source: StudySource): Row[] {
  return chosenByCell(source).flatMap(({ cell, trials }) => {
    const points = trials.flatMap(({ clipped }) => clipped ?? []).toSorted((a, b) => a.step - b.step);
    return grouped(points, ({ step }) => step).map(([step, those]) => {
      const { mean: share, low, high, draws } = estimateOf(those.map(({ share }) => share))!;
      const outside = those.flatMap(({ outsideEmbeddings }) => outsideEmbeddings ?? []);
      return {
        ...settingOf(cell),
        optimizer: cell.optimizer,
        ...{ step, share, low, high },
        outsideEmbeddings: outside.length > 0 ? mean(outside) : undefined,
        draws,
      };
    });
  });
}

export const clipped = figure<StudySource, Row>({
  name: 'clipped',
  title: 'Share of weights that are clipped',
  text: 'Where a weight is clipped, its step has the same length whatever its curvature: a share of 1 is descent by sign. Chosen trials, since the point before; a line is the mean over draws, the band around it its 95 % interval by Student\u2019s t.',
  rows,
  draw: (all, source, plot) => ({
    legend: optimizerLegend(source, all, 'both'),
    panels: panelsBySetting(source, all, (own, setting) => {
      const title = panelTitle(source, setting, 'Clipped weights');
      const marks = optimizerBands(source, plot, own, ({ step, share, low, high }) => ({
        x: step,
        mean: share,
        low,
        high,
      }));
      return [
        { title, plot: frame({ label: 'optimizer steps' }, { label: 'share of weights', domain: [0, 1] }, marks) },
      ];
    }),
  }),
});
