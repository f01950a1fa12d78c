/**
 * Whether an unlearned model can be told from one that never learned.
 *
 * @module
 */

import { type KolmogorovSmirnov, smirnovSteps, smirnovTest, sortedSample } from './kolmogorov-smirnov.ts';

/**
 * The Kolmogorov-Smirnov test between the truth ratios that two models give the items of a forget set: a model that unlearned, and one
 * that was trained without the set. A p-value near 1 says that they cannot be told apart, one near 0 that they can, either because the
 * model still knows or because it was damaged.
 *
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.2.2. Any monotone function of the ratios gives the same.
 *
 * @param logRatios of the model, as `logTruthRatio` gives them, in any order
 * @param reference of the model that was trained without the set
 * @throws SoulError SOUL_INVALID_ARGUMENT without ratios on either side, or NaN
 */
export function forgetQuality(logRatios: ArrayLike<number>, reference: ArrayLike<number>): KolmogorovSmirnov {
  const steps = smirnovSteps(sortedSample('logRatios', logRatios), sortedSample('reference', reference));
  return smirnovTest(steps, logRatios.length, reference.length);
}
