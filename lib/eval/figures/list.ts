/**
 * The figures that an evaluation has; a new one is a file, and a line here.
 *
 * @module
 */

import { accuracyFigure } from './accuracy.ts';
import {
  containsAnswerFigure,
  perplexityFigure,
  probabilityFigure,
  rouge1Figure,
  rougeLFigure,
  truthRatioFigure,
} from './answers.ts';
import type { Metric } from './figure.ts';
import { forgetQualityFigure } from './forgetting.ts';
import { membershipFigures, privleakFigure } from './membership.ts';
import { exactMemorizationFigure, extractionStrengthFigure } from './memorization.ts';
import { modelUtilityFigure } from './utility.ts';

/** In the order of tables. */
export const metrics: readonly Metric[] = [
  forgetQualityFigure,
  modelUtilityFigure,
  probabilityFigure,
  rougeLFigure,
  truthRatioFigure,
  accuracyFigure,
  rouge1Figure,
  perplexityFigure,
  exactMemorizationFigure,
  extractionStrengthFigure,
  containsAnswerFigure,
  ...membershipFigures,
  privleakFigure,
];
