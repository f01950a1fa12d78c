/**
 * Settings that most methods have.
 *
 * @module
 */

import { numberSetting } from '../setting.ts';

/** Factor of the term on the forget set. */
export const forgetCoefficient = numberSetting('factor of the loss on what to forget', 1);

/** Factor of the term on the retain set: gamma in GradDiff, alpha in open-unlearning. */
export const retainCoefficient = numberSetting('factor of the loss on what to keep', 1);

/**
 * What a whole run takes: the retain term counts 5 times (SOUL's choice for PO). At 1, published for models of 7 billion weights,
 * ascent on a small model takes the retain set with it before the retain term mends anything.
 */
export const runDefaults = { retainCoefficient: 5 } as const;
