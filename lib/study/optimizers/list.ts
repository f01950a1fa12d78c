/**
 * The optimizers that studies know by name: adding one is an entry in a file here, and a line in the list.
 *
 * @module
 */

import type { StudyOptimizer } from '../definition/study.ts';
import { allClipped, constantH } from './controls.ts';
import { adamw, mezo, sgd, sign, soulRepo } from './first-order.ts';
import { fisher, gnb, gnb1, gnb10, gnb50, gnbBoth, gnbForget } from './gauss-newton.ts';

/** In the order of help. */
export const studyOptimizers: readonly StudyOptimizer[] = [
  adamw,
  gnb1,
  gnb10,
  gnb50,
  gnb,
  gnbForget,
  gnbBoth,
  fisher,
  constantH,
  allClipped,
  soulRepo,
  sign,
  sgd,
  mezo,
];

/** Their names, each with a line that says what it is. */
export const studyOptimizerNames: Readonly<Record<string, string>> = Object.fromEntries(
  studyOptimizers.map(({ name, text }) => [name, text]),
);
