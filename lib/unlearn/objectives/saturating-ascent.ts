/**
 * Ascent with a ceiling, on any quantity of label tokens.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type Objective, wholeCounts } from '../objective.ts';

export interface SaturatingAscentOptions {
  /** What a token's value can count at most, in nats. */
  bound: number;
}

/**
 * -mean over label tokens of bound * (1 - exp(-v / bound)), v the token's value: a divergence, or -log p of the label.
 *
 * Near 0 it is plain ascent, -v. It falls with every v and never below -bound; its slope, -exp(-v / bound), is between -1 and 0 and goes
 * to 0 as v grows, without a jump. Of -log p the slope is -p^(1 / bound): the weight of WGA (arXiv 2502.19301), with the derivative that
 * belongs to it.
 */
export function saturatingAscent(options: SaturatingAscentOptions): Objective {
  checkNames('options', options, ['bound']);
  const { bound } = options;
  if (!(Number.isFinite(bound) && bound > 0)) throw invalidArgument('bound', 'a finite number above 0', bound);

  return (tokens) => {
    const weight = 1 / wholeCounts(tokens).tokens;
    let loss = 0;
    const weights = tokens.values.map((value) => {
      loss += bound * Math.expm1(-value / bound) * weight;
      return -Math.exp(-value / bound) * weight;
    });
    return { loss, weights };
  };
}
