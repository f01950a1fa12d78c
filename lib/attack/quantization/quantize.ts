/**
 * Quantisation of a model's weights in memory, by rounding.
 *
 * @module
 */

import type { FlatBuffer } from '../../core/flat-buffer.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import type { QuantizationFormat } from './format.ts';
import { type QuantizeOptions, walkLinearWeights } from './linear-weights.ts';

/**
 * Rounds the weights of a model's linear layers to a format, in place; in bf16 the result is rounded to the nearest bf16, as bitsandbytes
 * gives it.
 *
 * @param values the model's parameters, laid out as `layout` says
 * @returns how many weights were rounded
 * @throws SoulError SOUL_CANCELLED by `options.signal`, between two tensors
 */
export async function quantize(
  values: FlatBuffer,
  layout: ParameterLayout,
  format: QuantizationFormat,
  options: QuantizeOptions = {},
): Promise<number> {
  let rounded = 0;
  const round = ([weights]: Float32Array[], inputs: number) => {
    format.round(weights!, inputs);
    rounded += weights!.length;
  };
  await walkLinearWeights([values], layout, round, { ...options, writes: true });
  return rounded;
}
