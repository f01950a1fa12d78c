/**
 * Defaults of the engine.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';

/**
 * Bytes that the logits of one chunk may take: 64 MiB on the CPU and 1 GiB on a GPU, where each chunk reads the whole output matrix
 * and adds to its whole gradient; half of it where that is frozen, and read alone.
 */
export function defaultLogitsMemory(device: Device, isFrozen: boolean): number {
  return (device === 'cpu' ? 2 ** 26 : 2 ** 30) / (isFrozen ? 2 : 1);
}

/**
 * How far the final hidden states are moved for a central difference along a direction, as a share of their length.
 *
 * Measured against the exact matrix on the small models of test/torch/families, with four kinds of directions: the error, as a share of
 * the product's length, is at most 1e-2 at 1e-4, 3e-3 at 3e-4, 1.5e-3 at 1e-3, and at 1e-2 8e-3. Below, it is the rounding of float32
 * over the step, above, the square of the step. A ReLU that the step takes past its kink is wrong by half of what it gives: of 1.6e-2 at
 * 1e-3 and 5e-2 at 1e-2 with such models, 3e-3 remain at 3e-4.
 */
export const hiddenStateChange = { smooth: 1e-3, relu: 3e-4 };
