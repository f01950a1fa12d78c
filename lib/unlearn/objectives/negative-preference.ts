/**
 * NPO: negative preference optimization, gradient ascent that slows down as the model forgets.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Objective, requireReference, sequenceSums, wholeCounts } from '../objective.ts';
import { logSigmoid, sigmoid } from './sigmoid.ts';

export interface NegativePreferenceOptions {
  /** Inverse temperature; as it goes to 0, NPO becomes gradient ascent. Default 0.1, the paper's. */
  beta?: number;
  /**
   * What stands for a sequence's negative log-likelihood: the sum over its label tokens (default; the paper, open-unlearning)
   * or their mean (SOUL's code). With the mean the same beta is weaker by the sequence's length.
   */
  reduction?: 'sum' | 'mean';
}

/**
 * -(2 / beta) * mean over sequences of log sigmoid(beta * (nll_i - nll_reference_i)).
 *
 * Source: Zhang et al., arXiv 2404.05868.
 */
export function negativePreference(options: NegativePreferenceOptions = {}): Objective {
  checkNames('options', options, ['beta', 'reduction']);
  const { beta = 0.1, reduction = 'sum' } = options;
  if (!(Number.isFinite(beta) && beta > 0)) throw invalidArgument('beta', 'a finite number above 0', beta);
  if (reduction !== 'sum' && reduction !== 'mean') throw invalidArgument('reduction', "'sum' or 'mean'", reduction);

  return Object.assign(
    (tokens: Parameters<Objective>[0]) => {
      const { values, offsets } = tokens;
      const reference = requireReference(tokens);
      const sequences = wholeCounts(tokens).sequences;
      const sums = sequenceSums(values, offsets);
      const referenceSums = sequenceSums(reference, offsets);
      const weights = new Float32Array(values.length);
      let loss = 0;
      for (let i = 0; i < sums.length; i++) {
        const begin = offsets[i]!;
        const end = offsets[i + 1]!;
        const scale = reduction === 'mean' ? 1 / (end - begin) : 1;
        const margin = beta * scale * (sums[i]! - referenceSums[i]!);
        loss -= ((2 / beta) * logSigmoid(margin)) / sequences;
        weights.fill((-2 * sigmoid(-margin) * scale) / sequences, begin, end);
      }
      return { loss, weights };
    },
    { needsReference: true },
  );
}
