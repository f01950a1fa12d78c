/**
 * How well a point of a path forgets and keeps, in one number.
 *
 * @module
 */

import { harmonicMean } from '../../eval/metrics/model-utility.ts';

/** Mean probability of the answers of both sets, from 0 to 1. */
export interface Levels {
  readonly forget: number;
  readonly retain: number;
}

/** What a point is measured by: the model before the first step, and the one that was trained without the forget set. */
export interface Scale {
  readonly start: Levels;
  /** The retrained model's probability of the forget set; without such a model 0. */
  readonly retrainedForget: number;
}

export interface Score {
  /** clip((p0 - p) / (p0 - pR), 0, 1): 1 where no more is known of the forget set than the retrained model knows. */
  readonly forgotten: number;
  /** clip(r / r0, 0, 1). */
  readonly kept: number;
  /** Harmonic mean of both. */
  readonly score: number;
}

/** What a trial that diverged counts as. */
export const divergedScore: Score = { forgotten: 0, kept: 0, score: 0 };

/**
 * The score of a point, from 0 to 1. Where the start knows no more than the retrained model, there is nothing to forget: forgotten is 1 as
 * long as that stays so. Where the start knows nothing of the retain set, there is nothing to lose.
 */
export function scoreOf({ forget, retain }: Levels, { start, retrainedForget }: Scale): Score {
  const known = start.forget - retrainedForget;
  const forgotten = known > 0 ? clip((start.forget - forget) / known) : Number(forget <= retrainedForget);
  const kept = start.retain > 0 ? clip(retain / start.retain) : 1;
  return { forgotten, kept, score: harmonicMean([forgotten, kept]) };
}

function clip(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
