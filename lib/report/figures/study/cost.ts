/**
 * What a trial takes.
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
  readonly steps: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly estimateShare: number;
  readonly peakMemory: number;
};

const mebibyte = 2 ** 20;

export const cost = figure<StudySource, Row>({
  name: 'cost',
  title: 'Time and memory',
  text: 'Of the descent of the chosen trials, curvature estimates counted in and evaluations not. A mark is a draw, the bar is their mean. Memory is the peak of the whole process.',
  rows: (source) =>
    chosenTrials(source).map(({ cell, draw, trial }) => {
      const { seconds, processorSeconds, estimateShare, peakMemory } = trial.cost;
      return {
        ...settingOf(cell),
        optimizer: cell.optimizer,
        draw,
        trial: trial.trial,
        steps: trial.steps,
        seconds,
        processorSeconds,
        estimateShare,
        peakMemory,
      };
    }),
  draw: (all, source, plot) => ({
    legend: optimizerLegend(source, all, 'mark'),
    panels: settingsOf(source).flatMap((setting) => {
      const own = all.filter((row) => isSame(row, setting));
      if (own.length === 0) return [];
      const panel = (title: string, label: string, of: (row: Row) => number) => ({
        title: panelTitle(source, setting, title),
        plot: strip(
          plot,
          optimizersIn(source, own).map((name) => ({
            name,
            style: styleOf(source, name),
            values: own
              .filter(({ optimizer }) => optimizer === name)
              .map((row) => ({
                value: of(row),
                title: `${name}, draw ${row.draw}: ${of(row).toPrecision(4)}, ${(100 * row.estimateShare).toFixed(0)} % of the time on estimates`,
              })),
          })),
          { label, zero: true },
        ),
      });
      return [
        panel('Time', 'seconds', ({ seconds }) => seconds),
        panel('Peak memory', 'MiB', ({ peakMemory }) => peakMemory / mebibyte),
      ];
    }),
  }),
});
