/**
 * Random weights for a model that is to be trained from scratch.
 *
 * @module
 */

import { randomStream } from '../core/random.ts';
import type { ParameterLayout } from './parameter-layout.ts';

/**
 * Fills `values` as transformers initialises a Llama: matrices and embeddings normal with `standardDeviation`, norm
 * weights 1, biases 0. Each draw is a function of (seed, parameter, element).
 */
export function fillRandomWeights(
  values: Float32Array,
  layout: ParameterLayout,
  standardDeviation: number,
  seed: bigint,
): void {
  for (const [name, { offset, shape, group }] of layout) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    if (group === 'vector') {
      values.fill(name.endsWith('.bias') ? 0 : 1, offset, offset + size);
      continue;
    }
    const { bits } = randomStream(seed, `weights ${name}`);
    // Box and Muller: two uniform numbers make two normal ones.
    for (let i = 0; i < size; i += 2) {
      const radius = standardDeviation * Math.sqrt(-2 * Math.log((bits(0, i) + 1) / 2 ** 32));
      const angle = (2 * Math.PI * bits(0, i + 1)) / 2 ** 32;
      values[offset + i] = radius * Math.cos(angle);
      if (i + 1 < size) values[offset + i + 1] = radius * Math.sin(angle);
    }
  }
}
