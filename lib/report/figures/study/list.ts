/**
 * The figures of a study, in the order of the page.
 *
 * @module
 */

import type { StudySource } from '../../study-source.ts';
import type { ReportFigure } from '../figure.ts';
import { bestOf } from './best-of.ts';
import { clipped } from './clipped.ts';
import { cost } from './cost.ts';
import { differences } from './differences.ts';
import { front } from './front.ts';
import { moved } from './moved.ts';
import { paths } from './paths.ts';
import { robustness } from './robustness.ts';

export const studyFigures: readonly ReportFigure<StudySource>[] = [
  paths,
  front,
  bestOf,
  clipped,
  differences,
  robustness,
  moved,
  cost,
];
