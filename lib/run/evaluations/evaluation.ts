/**
 * Evaluations of a run on its way (`evaluateEvery`): what each found, and the series of them.
 *
 * @module
 */

import type { SetFigures } from '../measure.ts';

/** Figures of all sets at one moment of a run. */
export interface EvaluationPoint {
  /** Of the run, all descents counted; 0 before the first. */
  readonly step: number;
  /** Of the model that the run begins with, as it is behind a step, or of the one that the run comes to. */
  readonly moment: 'before' | 'during' | 'after';
  /** That the evaluation took. */
  readonly seconds: number;
  /** By the names of the sets: `target`, `retain`, and those of the files that are measured alone. */
  readonly sets: Readonly<Record<string, SetFigures>>;
}

/** As a run's result and its record have them. */
export interface EvaluationSeries {
  /** Of all evaluations together, which are no part of the steps' time. */
  readonly seconds: number;
  readonly points: readonly EvaluationPoint[];
}

export function evaluationSeries(points: readonly EvaluationPoint[]): EvaluationSeries {
  return { seconds: points.reduce((sum, point) => sum + point.seconds, 0), points };
}
