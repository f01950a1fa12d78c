/**
 * NF4, the 4-bit normal float.
 *
 * @module
 */

import { roundToLevels } from './code-book.ts';
import type { QuantizationFormat } from './format.ts';

/** QLoRA, appendix E. */
const levels = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

export const nf4: QuantizationFormat = {
  name: 'nf4',
  bits: 4,
  summary: '16 levels at quantiles of the normal distribution, a scale for each 64 weights',
  source: 'Dettmers et al., "QLoRA", 2023, section 3 and appendix E',
  round: (weights, _, codes) => roundToLevels(weights, levels, codes),
};
