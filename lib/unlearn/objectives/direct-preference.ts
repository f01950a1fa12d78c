/**
 * DPO: direct preference optimization, of another answer over the one that is to be forgotten.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Objective, requireReference, sequenceSums, wholeCounts } from '../objective.ts';
import { logSigmoid, sigmoid } from './sigmoid.ts';

export interface DirectPreferenceOptions {
  /** Inverse temperature. Default 0.1. */
  beta?: number;
}

/**
 * -(2 / beta) * mean over pairs of log sigmoid(beta * ((nll_l - nll_l,ref) - (nll_w - nll_w,ref))): of each two sequences the first,
 * w, is preferred to the second, l; nll are sums over label tokens.
 *
 * Source: Rafailov et al., arXiv 2305.18290, with the factor 2 / beta that NPO's and open-unlearning's code give it, so that its
 * gradient is of NPO's size.
 */
export function directPreference(options: DirectPreferenceOptions = {}): Objective {
  checkNames('options', options, ['beta']);
  const { beta = 0.1 } = options;
  if (!(Number.isFinite(beta) && beta > 0)) throw invalidArgument('beta', 'a finite number above 0', beta);

  return Object.assign(
    (tokens: Parameters<Objective>[0]) => {
      const { values, offsets } = tokens;
      const reference = requireReference(tokens);
      const sums = sequenceSums(values, offsets);
      const referenceSums = sequenceSums(reference, offsets);
      if (sums.length % 2 !== 0) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `direct preference takes pairs of sequences, but found ${sums.length}`,
          {
            argument: 'offsets',
          },
        );
      }
      const pairs = wholeCounts(tokens).sequences / 2;
      const weights = new Float32Array(values.length);
      let loss = 0;
      for (let i = 0; i < sums.length; i += 2) {
        const [preferred, other] = [i, i + 1].map((at) => sums[at]! - referenceSums[at]!) as [number, number];
        const score = beta * (other - preferred);
        loss -= ((2 / beta) * logSigmoid(score)) / pairs;
        const slope = (2 * sigmoid(-score)) / pairs;
        weights.fill(slope, offsets[i], offsets[i + 1]);
        weights.fill(-slope, offsets[i + 1], offsets[i + 2]);
      }
      return { loss, weights };
    },
    { needsReference: true },
  );
}
