/**
 * How robust forgetting is, in the field's figures.
 *
 * @module
 */

import { harmonicMean } from '../eval/metrics/model-utility.ts';

/** A figure that is the higher the more a model knows. */
export interface Change {
  readonly before: number;
  readonly after: number;
}

/**
 * R = min(change of the retrained model / change of the unlearned one, 1), from 0 to 1: 1 where the unlearned model learns no faster
 * than one that never knew. Where it learns nothing at all, R is 1; where it alone does, 0.
 *
 * Dorna et al., "OpenUnlearning", 2025 (arXiv 2506.12618), section 4.1, equation 2, where it is a metric's robustness; here a model's.
 */
export function relearningRobustness(unlearned: Change, retrained: Change): number {
  const own = unlearned.after - unlearned.before;
  if (own <= 0) return 1;
  return Math.min(Math.max((retrained.after - retrained.before) / own, 0), 1);
}

/**
 * Q = min(before / after, 1), from 0 to 1: below 1 where quantisation brings knowledge back.
 *
 * Dorna et al., as above, equation 3. The code of the Unlearning Depth Score has it the other way round, too, min(after / before, 1),
 * which falls where knowledge is lost.
 */
export function quantizationRobustness({ before, after }: Change): number {
  return after > before ? before / after : 1;
}

/** HM(R, Q). Dorna et al., as above, equation 4. */
export function overallRobustness(relearning: number, quantization: number): number {
  return harmonicMean([relearning, quantization]);
}
