/**
 * A method by itself or inside another algorithm, and an optimizer with its settings, as runs take them.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { completeOptimizerSettings, type OptimizerSettings } from '../../run/optimizer-choice.ts';
import { type ChosenAlgorithm, chooseAlgorithm } from '../../run/run-defaults.ts';
import type { Algorithm } from '../../unlearn/algorithm.ts';
import {
  type CurvatureOptions,
  completeCurvatureOptions,
  completeHessianData,
  type HessianData,
} from '../../unlearn/curvature.ts';
import { algorithm } from '../../unlearn/registry.ts';
import type { StudyMethod, StudyOptimizer } from './study.ts';

/** The name of the setting that names an algorithm's method inside; undefined where it has none. */
export function innerSettingOf({ settings }: Pick<Algorithm, 'settings'>): string | undefined {
  return Object.entries(settings).find(([, { kind }]) => kind === 'method')?.[0];
}

/**
 * A method as an optimizer takes it: by itself, or inside the optimizer's algorithm.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT where the method cannot be inside
 */
export function chosenOf({ name, settings }: StudyMethod, { inside }: Pick<StudyOptimizer, 'inside'>): ChosenAlgorithm {
  if (inside === undefined) return chooseAlgorithm(name, settings);
  const setting = innerSettingOf(algorithm(inside));
  if (setting !== undefined) return chooseAlgorithm(inside, { [setting]: { ...settings, name } });
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${inside} takes no method inside; mezo does`, { argument: 'inside' });
}

/**
 * The settings of an optimizer in full, but for the learning rate.
 *
 * @param clippedFraction of a trial that searches it
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function settingsOf({ optimizer, settings }: StudyOptimizer, clippedFraction?: number): OptimizerSettings {
  return completeOptimizerSettings(optimizer, { ...settings, ...withoutUndefined({ clippedFraction }) });
}

/** How curvature is estimated. */
export interface Estimates {
  readonly curvature: Required<CurvatureOptions>;
  readonly hessianData: HessianData;
}

/**
 * How an optimizer estimates curvature, in full; undefined where it takes no estimates.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function estimatesOf({ optimizer, curvature, hessianData }: StudyOptimizer): Estimates | undefined {
  if (optimizer !== 'sophia') return undefined;
  return { curvature: completeCurvatureOptions(curvature), hessianData: completeHessianData(hessianData, true) };
}
