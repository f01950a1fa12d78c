/**
 * What is kept where as much is forgotten as the retrained model never knew.
 *
 * @module
 */

import type { FigureDefinition } from './figure.ts';

export const equalRetainFigure: FigureDefinition = {
  name: 'equalRetain',
  label: 'retain at equal forgetting',
  text: "Mean probability of the answers to keep where the forget probability first comes down to the retrained model's, in the draws that get there.",
  better: 'higher',
  unit: 'probability',
  of: ({ equal }) => equal?.crossing.test.retain,
};

export const equalForgetFigure: FigureDefinition = {
  name: 'equalForget',
  label: 'forget at equal forgetting',
  text: 'Mean probability of the answers to forget at the same point, in the half that had no say in where it is.',
  better: 'neither',
  unit: 'probability',
  of: ({ equal }) => equal?.crossing.test.forget,
};

export const equalStepFigure: FigureDefinition = {
  name: 'equalStep',
  label: 'steps to equal forgetting',
  text: 'Optimizer steps up to that point; a fraction where it lies between two that were measured.',
  better: 'neither',
  unit: 'number',
  of: ({ equal }) => equal?.crossing.step,
};

export const equalReachedFigure: FigureDefinition = {
  name: 'equalReached',
  label: 'draws at equal forgetting',
  text: "Share of the draws in which a trial comes down to the retrained model's forget probability.",
  better: 'higher',
  unit: 'share',
  isCount: true,
  of: ({ equal, trials }) => (trials.some(({ retrained }) => retrained) ? Number(equal !== undefined) : undefined),
};
