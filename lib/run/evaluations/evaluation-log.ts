/**
 * What a run leaves of its evaluations for those who watch it: a line for each set in evaluations.jsonl, and curves for TensorBoard.
 *
 * @module
 */

import type { OutFolder } from '../out-folder.ts';
import { evaluationsName } from '../run-files.ts';
import type { RunCurves } from '../step-log.ts';
import type { EvaluationPoint } from './evaluation.ts';

export class EvaluationLog {
  readonly #add: (record: object) => void;
  readonly #curves: RunCurves | undefined;

  /** @param curves absent where none are asked for */
  constructor(out: Pick<OutFolder, 'openLog'>, curves?: RunCurves) {
    this.#add = out.openLog(evaluationsName);
    this.#curves = curves;
  }

  add(point: EvaluationPoint): void {
    const { step, moment, sets } = point;
    const time = new Date().toISOString();
    for (const [set, figures] of Object.entries(sets)) this.#add({ step, moment, set, ...figures, time });
    this.#curves?.evaluated(point);
  }
}
