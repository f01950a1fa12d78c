/**
 * Membership inference: whether a model's figures tell the texts it was trained on from others.
 *
 * Every score is lower for what a model knows; {@link membershipAuc} turns the scores of both kinds of texts into one figure.
 *
 * @module
 */

import { deflateSync } from 'node:zlib';
import { checkNumber } from '../../core/checks.ts';
import { invalidArgument } from '../../core/errors.ts';
import { areaUnderCurve } from './area-under-curve.ts';
import { checkLoss, checkValues } from './check-values.ts';

/**
 * Mean loss over the number of bytes that the text is compressed to, which takes out how plain a text is.
 *
 * Carlini et al., "Extracting Training Data from Large Language Models", 2021, by the perplexity's logarithm. Bytes are
 * those of zlib at its default level, which Python's `zlib.compress` has too.
 *
 * @param meanLoss mean of -log p over the text's tokens, in nats
 */
export function zlibScore(meanLoss: number, text: string): number {
  if (typeof text !== 'string') throw invalidArgument('text', 'a text', text);
  return checkLoss('meanLoss', meanLoss) / deflateSync(Buffer.from(text)).length;
}

/**
 * Mean loss less that of a reference model, which takes out how hard a text is for any model. Where both are infinite it is 0: they
 * tell nothing.
 *
 * Mireshghallah et al., "Quantifying Privacy Risks of Masked Language Models Using Membership Inference Attacks", 2022.
 *
 * @param meanLoss mean of -log p over the text's tokens, in nats
 * @param referenceLoss the same by a model that was not trained on it
 */
export function referenceScore(meanLoss: number, referenceLoss: number): number {
  checkLoss('meanLoss', meanLoss);
  checkLoss('referenceLoss', referenceLoss);
  return meanLoss === referenceLoss ? 0 : meanLoss - referenceLoss;
}

/**
 * Minus the mean of the lowest log-probabilities, a share k of them and at least one: a text that was seen has few surprises.
 *
 * Shi et al., "Detecting Pretraining Data from Large Language Models", 2023 (Min-K% Prob).
 *
 * @param logProbabilities log p of each token, in nats
 * @param k from 0 to 1; 0.2 (default) as in the paper, open-unlearning has 0.4
 * @throws SoulError SOUL_INVALID_ARGUMENT without tokens, or NaN
 */
export function minKScore(logProbabilities: ArrayLike<number>, k = 0.2): number {
  checkValues('logProbabilities', logProbabilities, { infinite: true });
  return minusMeanOfLowest(Float64Array.from(logProbabilities), k);
}

/** Figures of the tokens of a text, as `DifferentiableLM.score` gives them. */
export interface ScoredTokens {
  /** log p of each token, in nats. */
  readonly logProbability: ArrayLike<number>;
  /** Mean of log p over the vocabulary under the model's own distribution, at each token. */
  readonly mean: ArrayLike<number>;
  /** Variance of log p likewise. */
  readonly variance: ArrayLike<number>;
}

/**
 * As {@link minKScore}, of log-probabilities that were standardised by the distribution they come from: (log p - mean) / standard
 * deviation. A variance below 1e-6 counts as 1e-6, as in open-unlearning.
 *
 * Zhang et al., "Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large Language Models", 2024.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT without tokens, or NaN
 */
export function minKPlusPlusScore(tokens: ScoredTokens, k = 0.2): number {
  const { logProbability, mean, variance } = tokens;
  checkValues('logProbability', logProbability, { infinite: true });
  for (const [name, values] of Object.entries({ mean, variance })) {
    checkValues(name, values);
    if (values.length !== logProbability.length) {
      throw invalidArgument(name, `${logProbability.length} numbers, one for each token`, values);
    }
  }
  const standardised = Float64Array.from(
    logProbability,
    (logP, i) => (logP - mean[i]!) / Math.sqrt(Math.max(variance[i]!, 1e-6)),
  );
  return minusMeanOfLowest(standardised, k);
}

function minusMeanOfLowest(values: Float64Array, k: number): number {
  checkNumber('k', k, { high: 1 });
  const lowest = values.sort().subarray(0, Math.max(1, Math.floor(k * values.length)));
  return -lowest.reduce((sum, value) => sum + value, 0) / lowest.length;
}

/**
 * The area under the curve of telling members from others by their scores: the probability that another text's score is above a
 * member's. 1: everything is remembered; 0.5: nothing tells them apart; below, members are less likely than texts never seen.
 *
 * @param members scores of texts that the model was trained on, or is to have forgotten
 * @param nonMembers scores of texts of the same kind that it never saw
 */
export function membershipAuc(members: ArrayLike<number>, nonMembers: ArrayLike<number>): number {
  return areaUnderCurve(nonMembers, members);
}
