/**
 * How an optimizer keeps what it remembers.
 *
 * @module
 */

import { checkChoice, valueOr } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';

/** Storage of an optimizer. Arithmetic is float32 whatever it is. */
export interface Precision {
  /**
   * For values of dtype bf16: `'f32'` (default) keeps a float32 copy that steps act on, of which the values are the
   * nearest bf16; `'none'` steps on the bf16 values themselves. Values of dtype f32 are their own master.
   */
  master?: 'f32' | 'none';
  /** Dtype of the moving averages. Default `'f32'`. */
  states?: 'f32' | 'bf16';
  /**
   * How moving averages in bf16, and values without a master, are rounded. `'stochastic'` (default): up or down at
   * random, so that small steps count on the average; `'nearest'`: a step of less than half the distance to the next
   * bf16, about 1 / 512 of the number, is lost. A master's bf16 copy is always the nearest.
   */
  rounding?: 'stochastic' | 'nearest';
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
export function checkPrecision(precision: Precision | undefined, values: FlatBuffer): Required<Precision> {
  const given: Precision = valueOr(precision, {});
  checkNames('precision', given, ['master', 'states', 'rounding']);
  const narrow = values.dtype === 'bf16';
  const master = checkChoice('precision.master', valueOr(given.master, narrow ? 'f32' : 'none'), ['f32', 'none']);
  if (master === 'f32' && !narrow) {
    throw invalidArgument('precision.master', `'none' for values of dtype ${values.dtype}, their own master`, master);
  }
  return {
    master,
    states: checkChoice('precision.states', valueOr(given.states, 'f32'), ['f32', 'bf16']),
    rounding: checkChoice('precision.rounding', valueOr(given.rounding, 'stochastic'), ['stochastic', 'nearest']),
  };
}
