/**
 * int8, the 8-bit integers of LLM.int8().
 *
 * @module
 */

import type { QuantizationFormat } from './format.ts';

export const int8: QuantizationFormat = {
  name: 'int8',
  bits: 8,
  summary: '255 levels, a scale for each row (vectorwise, as LLM.int8() stores weights); activations stay as they are',
  source: 'Dettmers et al., "LLM.int8()", 2022, section 2.1',
  round: roundRows,
};

/** What bitsandbytes multiplies by in place of a division by 127. */
const inverse = Math.fround(1 / 127);

/** Every operation is rounded to float32, in bitsandbytes' order; a row of zeros stays. */
function roundRows(weights: Float32Array, inputs: number, codes?: Uint8Array): void {
  codes?.fill(127);
  for (let begin = 0; begin < weights.length; begin += inputs) {
    const row = weights.subarray(begin, begin + inputs);
    const largest = row.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    if (largest === 0) continue;
    const factor = Math.fround(127 / largest);
    for (let i = 0; i < row.length; i++) {
      const level = roundToEven(Math.fround(row[i]! * factor));
      if (codes) codes[begin + i] = level + 127;
      row[i] = Math.fround(level * largest) * inverse;
    }
  }
}

/** The nearest integer, of two the even one. */
function roundToEven(value: number): number {
  const below = Math.floor(value);
  const over = value - below;
  if (over === 0.5) return below % 2 === 0 ? below : below + 1;
  return over < 0.5 ? below : below + 1;
}
