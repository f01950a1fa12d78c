/**
 * Defaults of the engine.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';

/**
 * Bytes that the logits of one chunk may take: 64 MiB on the CPU and 1 GiB on a GPU, where each chunk reads the whole output matrix
 * and adds to its whole gradient.
 */
export function defaultLogitsMemory(device: Device): number {
  return device === 'cpu' ? 2 ** 26 : 2 ** 30;
}
