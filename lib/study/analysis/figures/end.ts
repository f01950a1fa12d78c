/**
 * What is left at the last step of the trial that the score chose, in the test half.
 *
 * @module
 */

import { scoreOf } from '../score.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

export const forgetFigure: FigureDefinition = {
  name: 'forget',
  label: 'forget',
  text: 'Mean probability of the answers to forget at the end.',
  better: 'lower',
  unit: 'probability',
  of: ofEnd((_, { forget }) => forget),
  ofReference: ({ levels }) => levels.forget,
};

export const retainFigure: FigureDefinition = {
  name: 'retain',
  label: 'retain',
  text: 'Mean probability of the answers to keep at the end.',
  better: 'higher',
  unit: 'probability',
  of: ofEnd((_, { retain }) => retain),
  ofReference: ({ levels }) => levels.retain,
};

export const scoreFigure: FigureDefinition = {
  name: 'score',
  label: 'score',
  text: 'Harmonic mean of what is forgotten, as a share of the way to the retrained model (without one, to 0), and of what is kept, as a share of the start; 0 where the chosen trial diverged.',
  better: 'higher',
  unit: 'share',
  of: ({ end }) => end.test.score,
  ofReference: ({ levels, scale }) => scoreOf(levels, scale).score,
};

export const distanceFigure: FigureDefinition = {
  name: 'forgetDistance',
  label: 'forget gap',
  text: "Distance of the forget probability at the end to the retrained model's, whichever is higher.",
  better: 'lower',
  unit: 'probability',
  of: ofEnd(({ retrained }, { forget }) => retrained && Math.abs(forget - retrained.test.forget)),
  ofReference: ({ levels, record: { retrained } }) => retrained && Math.abs(levels.forget - retrained.test.forget),
};
