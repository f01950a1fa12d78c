/**
 * How many weights the second-order optimizers clip, over the steps.
 *
 * @module
 */

import { bandMarks, frame } from '../../plot/panels.ts';
import {
  chosenTrials,
  grouped,
  isSame,
  mean,
  optimizerLegend,
  optimizersIn,
  panelTitle,
  type Setting,
  type StudySource,
  settingOf,
  settingsOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = Setting & {
  readonly optimizer: string;
  readonly step: number;
  readonly share: number;
  readonly lowest: number;
  readonly highest: number;
  readonly outsideEmbeddings: number | undefined;
  readonly draws: number;
};

function rows(source: StudySource): Row[] {
  const chosen = chosenTrials(source);
  return grouped(chosen, ({ cell }) => JSON.stringify([settingOf(cell), cell.optimizer])).flatMap(([, trials]) => {
    const { cell } = trials[0]!;
    const points = trials.flatMap(({ trial }) => trial.clipped ?? []).toSorted((a, b) => a.step - b.step);
    return grouped(points, ({ step }) => step).map(([step, those]) => {
      const shares = those.map(({ share }) => share);
      const outside = those.flatMap(({ outsideEmbeddings }) => outsideEmbeddings ?? []);
      return {
        ...settingOf(cell),
        optimizer: cell.optimizer,
        step,
        share: mean(shares),
        lowest: Math.min(...shares),
        highest: Math.max(...shares),
        outsideEmbeddings: outside.length > 0 ? mean(outside) : undefined,
        draws: shares.length,
      };
    });
  });
}

export const clipped = figure<StudySource, Row>({
  name: 'clipped',
  title: 'Share of weights that are clipped',
  text: 'Where a weight is clipped, its step has the same length whatever its curvature: a share of 1 is descent by sign. Chosen trials, mean over draws and since the point before; the band is the lowest and the highest draw.',
  rows,
  draw: (all, source, plot) => ({
    legend: optimizerLegend(source, all, 'both'),
    panels: settingsOf(source).flatMap((setting) => {
      const own = all.filter((row) => isSame(row, setting));
      if (own.length === 0) return [];
      const marks = optimizersIn(source, own).flatMap((name) => {
        const band = own
          .filter(({ optimizer }) => optimizer === name)
          .map(({ step, share, lowest, highest }) => ({ x: step, mean: share, low: lowest, high: highest }));
        return bandMarks(plot, band, styleOf(source, name));
      });
      const title = panelTitle(source, setting, 'Clipped weights');
      return [
        { title, plot: frame({ label: 'optimizer steps' }, { label: 'share of weights', domain: [0, 1] }, marks) },
      ];
    }),
  }),
});
