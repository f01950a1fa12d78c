/**
 * What a search comes to, by how many trials it is given.
 *
 * @module
 */

import { frame } from '../../plot/panels.ts';
import {
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
  readonly trials: number;
  readonly score: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly draws: number;
};

function rows({ summary }: StudySource): Row[] {
  return summary.cells.flatMap((cell) =>
    cell.bestOf.map(({ mean, low, high, draws }, i) => ({
      ...settingOf(cell),
      optimizer: cell.optimizer,
      trials: i + 1,
      score: mean,
      low,
      high,
      draws,
    })),
  );
}

export const bestOf = figure<StudySource, Row>({
  name: 'best-of',
  title: 'What more trials buy',
  text: 'Expected score of the trial that the validation half chooses among so many, in the other half, with its 95 % interval over draws. An optimizer that is easy to tune is high from the left on.',
  rows,
  draw: (all, source, plot) => ({
    legend: optimizerLegend(source, all, 'both'),
    panels: panelsBySetting(source, all, (own, setting) => {
      const marks = optimizerBands(source, plot, own, ({ trials, score, low, high }) => ({
        x: trials,
        mean: score,
        low,
        high,
      }));
      const most = Math.max(...own.map(({ trials }) => trials));
      const ticks = Array.from({ length: most }, (_, i) => i + 1).filter(
        (n) => most <= 12 || n % Math.ceil(most / 8) === 0,
      );
      const x = {
        label: 'trials',
        domain: [1, Math.max(most, 2)],
        ticks: ticks as unknown as number,
        tickFormat: String,
      };
      return [
        {
          title: panelTitle(source, setting, 'Best of so many trials'),
          plot: frame(x, { label: 'score, higher is better', domain: [0, 1] }, marks),
        },
      ];
    }),
  }),
});
