/**
 * How many weights differ from the start's.
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
  draw: (all, source, plot) =>
    drawStrips(all, source, plot, [
      { title: 'Share of weights moved', x: { label: 'share of weights', domain: [0, 1] }, of: (row) => row.moved },
      { title: 'Distance', x: { label: 'distance', zero: true }, of: ({ distance }) => distance },
    ]),
});
