/**
 * The algorithm that a trial runs: a study's method, or one that its optimizer puts around it.
 *
 * @module
 */

import { type ChosenAlgorithm, chooseAlgorithm } from '../../run/run-defaults.ts';
import type { Study, StudyMethod, StudyOptimizer } from '../definition/study.ts';

/**
 * @param settings of the method, in place of the study's
 * @throws SoulError of {@link chooseAlgorithm}
 */
export function chosenMethod(
  { name, settings: own }: StudyMethod,
  { inside }: Pick<StudyOptimizer, 'inside'>,
  settings: Readonly<Record<string, unknown>> = own,
): ChosenAlgorithm {
  if (inside === undefined) return chooseAlgorithm(name, settings);
  return chooseAlgorithm(inside, { method: { name, ...settings } });
}

/** What every method of a study comes to with every optimizer. */
export function methodsOf({ methods, optimizers }: Study): ChosenAlgorithm[] {
  return methods.flatMap((method) => optimizers.map((optimizer) => chosenMethod(method, optimizer)));
}
