/**
 * How many weights differ from the start's.
 *
 * @module
 */

import { strip } from '../../plot/strip.ts';
import {
  chosenTrials,
  isSame,
  optimizerLegend,
  optimizersIn,
  panelTitle,
  type StudySource,
  settingOf,
  settingsOf,
  styleOf,
} from '../../study-source.ts';
import { figure } from '../figure.ts';

type Row = {
  readonly model: string;
  readonly split: string;
  readonly method: string;
  readonly optimizer: string;
  readonly draw: number;
  readonly trial: number;
  readonly moved: number;
  readonly distance: number;
};

export const moved = figure<StudySource, Row>({
  name: 'moved',
  title: 'Weights that moved',
  text: 'Share of the weights whose value differs from the start\u2019s, and how far all of them went together (Euclidean distance). Chosen trials; a mark is a draw, the bar is their mean.',
  rows: (source) =>
    chosenTrials(source).map(({ cell, draw, trial }) => ({
      ...settingOf(cell),
      optimizer: cell.optimizer,
      draw,
      trial: trial.trial,
      moved: trial.moved,
      distance: trial.distance,
    })),
  draw: (all, source, plot) => ({
    legend: optimizerLegend(source, all, 'mark'),
    panels: settingsOf(source).flatMap((setting) => {
      const own = all.filter((row) => isSame(row, setting));
      if (own.length === 0) return [];
      const panel = (value: 'moved' | 'distance', title: string, label: string) => ({
        title: panelTitle(source, setting, title),
        plot: strip(
          plot,
          optimizersIn(source, own).map((name) => ({
            name,
            style: styleOf(source, name),
            values: own
              .filter(({ optimizer }) => optimizer === name)
              .map((row) => ({ value: row[value], title: `${name}, draw ${row.draw}: ${row[value].toPrecision(4)}` })),
          })),
          value === 'moved' ? { label, domain: [0, 1] } : { label, zero: true },
        ),
      });
      return [panel('moved', 'Share of weights moved', 'share of weights'), panel('distance', 'Distance', 'distance')];
    }),
  }),
});
