/**
 * The figures of a run, in the order of the page.
 *
 * @module
 */

import type { RunSource } from '../../run-source.ts';
import type { ReportFigure } from '../figure.ts';
import { clipped } from './clipped.ts';
import { evaluations } from './evaluations.ts';
import { gradientNorm } from './gradient-norm.ts';
import { learningRate } from './learning-rate.ts';
import { loss } from './loss.ts';
import { memory } from './memory.ts';
import { speed } from './speed.ts';

export const runFigures: readonly ReportFigure<RunSource>[] = [
  evaluations,
  loss,
  clipped,
  gradientNorm,
  learningRate,
  speed,
  memory,
];
