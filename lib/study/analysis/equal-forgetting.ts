/**
 * Where a path has forgotten as much as the retrained model never knew.
 *
 * @module
 */

import type { PathPoint } from '../trial/record.ts';
import type { Levels } from './score.ts';

/** A point between two of a path, in steps; a fraction where it lies between two steps. */
export interface Crossing {
  readonly step: number;
  readonly validation: Levels;
  readonly test: Levels;
}

/**
 * The first point at which the forget probability of the validation half has fallen to a level, by linear interpolation in the step between
 * neighbouring points. The test half is read at the same step, and has no say in where it is. undefined where the path never falls so far.
 *
 * @param level the retrained model's probability of the validation half of the forget set
 */
export function crossingOf(path: readonly PathPoint[], level: number): Crossing | undefined {
  const at = path.findIndex(({ validation }) => validation.forget <= level);
  if (at < 0) return undefined;
  const after = path[at]!;
  if (at === 0) return { step: after.step, validation: after.validation, test: after.test };
  const before = path[at - 1]!;
  // The point before lies above the level: the fall is more than 0.
  const share = (before.validation.forget - level) / (before.validation.forget - after.validation.forget);
  const between = (low: number, high: number) => low + share * (high - low);
  const levels = (low: Levels, high: Levels): Levels => ({
    forget: between(low.forget, high.forget),
    retain: between(low.retain, high.retain),
  });
  return {
    step: between(before.step, after.step),
    validation: levels(before.validation, after.validation),
    test: levels(before.test, after.test),
  };
}
