/**
 * FP4, the 4-bit float of bitsandbytes.
 *
 * @module
 */

import { roundToLevels } from './code-book.ts';
import type { QuantizationFormat } from './format.ts';

/** A sign, two bits of an exponent and one of a fraction; bitsandbytes' subnormal is 1 / 16. */
const magnitudes = [0.0625, 2, 3, 4, 6, 8, 12].map((magnitude) => magnitude / 12);
const levels = Float32Array.of(...magnitudes.toReversed().map((magnitude) => -magnitude), 0, ...magnitudes);

export const fp4: QuantizationFormat = {
  name: 'fp4',
  bits: 4,
  summary: '15 levels of a float with 2 bits of exponent and 1 of fraction, a scale for each 64 weights',
  source: 'bitsandbytes; what the code of Zhang et al., 2024 (arXiv 2410.16454) loads models in',
  round: (weights, _, codes) => roundToLevels(weights, levels, codes),
};
