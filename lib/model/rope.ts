/**
 * The frequencies of rotary position embeddings.
 *
 * @see Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"
 * @module
 */

import type { LlamaConfig } from './config.ts';

/**
 * The angle by which one position turns each pair of a head's elements, in radians.
 *
 * Computed in float64 and rounded once.
 *
 * @returns `headSize / 2` numbers, from 1 down
 */
export function inverseFrequencies(
  config: Pick<LlamaConfig, 'headSize' | 'ropeTheta' | 'ropeScaling'>,
): Float32Array<ArrayBuffer> {
  const { headSize, ropeTheta, ropeScaling } = config;
  return Float32Array.from({ length: headSize / 2 }, (_, pair) => {
    const frequency = ropeTheta ** ((-2 * pair) / headSize);
    if (ropeScaling.type === 'default') return frequency;
    if (ropeScaling.type === 'linear') return frequency / ropeScaling.factor;
    const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = ropeScaling;
    // How often the pair turns within the length of pretraining decides how far it is slowed down.
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (turns > highFrequencyFactor) return frequency;
    if (turns < lowFrequencyFactor) return frequency / factor;
    const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return kept * frequency + (1 - kept) * (frequency / factor);
  });
}
