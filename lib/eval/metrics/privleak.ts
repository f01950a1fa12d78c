/**
 * What membership inference finds of a model beside one that was trained anew.
 *
 * @module
 */

import { checkNumber } from '../../core/checks.ts';

/**
 * How far a model's AUC is from that of a model retrained without the forget set, in per cent: 0 where they are equal, below where
 * the forget set is still known, above where it stands out as less likely than what was never seen. NaN where the
 * retrained model's AUC is 1, which leaves nothing to divide by.
 *
 * Shi et al., "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", 2024, over 1 - AUC as open-unlearning
 * computes it, with its 1e-10 in the denominator.
 *
 * @param auc as `membershipAuc` gives it, from 0 to 1
 * @param retrainedAuc of the retrained model; open-unlearning takes 0.5 where there is none
 */
export function privleak(auc: number, retrainedAuc: number): number {
  checkNumber('auc', auc, { high: 1 });
  checkNumber('retrainedAuc', retrainedAuc, { high: 1 });
  if (retrainedAuc === 1) return Number.NaN;
  return ((retrainedAuc - auc) / (1 - retrainedAuc + 1e-10)) * 100;
}
