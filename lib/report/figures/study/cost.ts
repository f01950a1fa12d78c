/**
 * What a trial takes.
 *
 * @module
 */

import { chosenTrials, type Setting, type StudySource, settingOf } from '../../study-source.ts';
import { figure } from '../figure.ts';
import { drawStrips } from './draw-strips.ts';

type Row = Setting & {
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
  draw: (all, source, plot) =>
    drawStrips(all, source, plot, [
      {
        title: 'Time',
        x: { label: 'seconds', zero: true },
        of: ({ seconds }) => seconds,
        note: ({ estimateShare }) => `${(100 * estimateShare).toFixed(0)} % of it on estimates`,
      },
      { title: 'Peak memory', x: { label: 'MiB', zero: true }, of: ({ peakMemory }) => peakMemory / mebibyte },
    ]),
});
