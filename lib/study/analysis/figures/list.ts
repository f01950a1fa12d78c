/**
 * The figures of a study; a new one is an entry in a file beside this one, and a line here.
 *
 * @module
 */

import {
  estimateShareFigure,
  peakMemoryFigure,
  processorSecondsFigure,
  secondsFigure,
  secondsPerStepFigure,
} from './cost.ts';
import { distanceFigure, forgetFigure, retainFigure, scoreFigure } from './end.ts';
import { equalForgetFigure, equalReachedFigure, equalRetainFigure, equalStepFigure } from './equal.ts';
import type { FigureDefinition } from './figure.ts';
import {
  nf4Figure,
  quantizationRobustnessFigure,
  relearnFigure,
  relearnRobustnessFigure,
  robustnessFigure,
} from './robustness.ts';
import { tofuFigures } from './tofu.ts';
import { utilityFigure } from './utility.ts';
import { clippedFigure, distanceOfWeightsFigure, movedFigure } from './weights.ts';

/** In the order of tables. */
export const figures: readonly FigureDefinition[] = [
  scoreFigure,
  forgetFigure,
  distanceFigure,
  retainFigure,
  equalRetainFigure,
  equalForgetFigure,
  equalStepFigure,
  equalReachedFigure,
  utilityFigure,
  ...tofuFigures,
  relearnFigure,
  relearnRobustnessFigure,
  nf4Figure,
  quantizationRobustnessFigure,
  robustnessFigure,
  secondsFigure,
  secondsPerStepFigure,
  processorSecondsFigure,
  peakMemoryFigure,
  estimateShareFigure,
  movedFigure,
  distanceOfWeightsFigure,
  clippedFigure,
];
