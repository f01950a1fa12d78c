/**
 * Random weights for a model that is to be trained from scratch.
 *
 * @module
 */

import { allocateFloats } from '../core/allocate.ts';
import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { randomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { WeightDType } from './checkpoint.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { parameterLayout } from './decoder-weights.ts';

/**
 * Fills `values` as transformers initialises a decoder: matrices and embeddings normal with the configuration's standard deviation,
 * norms such that they scale by 1, biases 0. Of GPT-2, transformers draws the projections into the residual sum smaller; here they are
 * as the rest. Each draw is a function of (seed, parameter, element), rounded to the dtype of `values`.
 *
 * @throws SoulError SOUL_CANCELLED when the signal fired between two parameters
 */
export async function fillRandomWeights(
  values: FlatBuffer<WeightDType>,
  config: DecoderConfig,
  seed: bigint,
  { signal }: Cancellable = {},
): Promise<void> {
  const { initializerRange: standardDeviation, norm } = config;
  for (const [name, { offset, shape, group }] of parameterLayout(config)) {
    throwIfCancelled(signal, 'drawing random weights was cancelled', { next: name });
    const size = elementCount(shape);
    const target = values.view(offset, size);
    if (group === 'vector') {
      await target.fill(name.endsWith('.bias') || norm.kind === 'rms+1' ? 0 : 1);
      continue;
    }
    const drawn = allocateFloats(size);
    const { bits } = randomStream(seed, `weights ${name}`);
    // Box and Muller: two uniform numbers make two normal ones.
    for (let i = 0; i < size; i += 2) {
      const radius = standardDeviation * Math.sqrt(-2 * Math.log((bits(0, i) + 1) / 2 ** 32));
      const angle = (2 * Math.PI * bits(0, i + 1)) / 2 ** 32;
      drawn[i] = radius * Math.cos(angle);
      if (i + 1 < size) drawn[i + 1] = radius * Math.sin(angle);
    }
    await target.copyFrom(FlatBuffer.from(drawn));
  }
}
