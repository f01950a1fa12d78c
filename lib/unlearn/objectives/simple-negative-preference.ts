/**
 * SimNPO: negative preference optimization without a reference model.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Objective, sequenceSums, wholeCounts } from '../objective.ts';
import { logSigmoid, sigmoid } from './sigmoid.ts';

export interface SimpleNegativePreferenceOptions {
  /** Inverse temperature. Default 4.5, the authors' for TOFU's forget10. */
  beta?: number;
  /** Margin, in nats a token, inside beta as in the authors' code: the paper's gamma is `beta * margin`. Default 0. */
  margin?: number;
}

/**
 * -(2 / beta) * mean over sequences of log sigmoid(beta * (nll_i / |y_i| - margin)), with |y_i| the label tokens of a sequence.
 *
 * Source: Fan et al., arXiv 2410.07163.
 */
export function simpleNegativePreference(options: SimpleNegativePreferenceOptions = {}): Objective {
  checkNames('options', options, ['beta', 'margin']);
  const { beta = 4.5, margin = 0 } = options;
  if (!(Number.isFinite(beta) && beta > 0)) throw invalidArgument('beta', 'a finite number above 0', beta);
  if (!Number.isFinite(margin)) throw invalidArgument('margin', 'a finite number', margin);

  return (tokens) => {
    const { values, offsets } = tokens;
    const { sequences } = wholeCounts(tokens);
    const sums = sequenceSums(values, offsets);
    const weights = new Float32Array(values.length);
    let loss = 0;
    for (let i = 0; i < sums.length; i++) {
      const [begin, end] = [offsets[i]!, offsets[i + 1]!];
      const length = end - begin;
      const score = beta * (sums[i]! / length - margin);
      loss -= ((2 / beta) * logSigmoid(score)) / sequences;
      weights.fill((-2 * sigmoid(-score)) / (length * sequences), begin, end);
    }
    return { loss, weights };
  };
}
