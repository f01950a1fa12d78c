/**
 * Allocations that fail with an error of the package.
 *
 * @module
 */

import { SoulError } from './errors.ts';

/**
 * What `make` makes.
 *
 * @param bytes for the message
 * @throws SoulError SOUL_OUT_OF_MEMORY where it cannot be made
 */
export function allocate<Memory>(bytes: number, make: () => Memory): Memory {
  try {
    return make();
  } catch (cause) {
    throw new SoulError(
      'SOUL_OUT_OF_MEMORY',
      `${bytes} bytes could not be allocated; free memory, or use a smaller model`,
      { bytes },
      { cause },
    );
  }
}

/** Zeroed float32 memory of JavaScript's own. */
export function allocateFloats(length: number): Float32Array<ArrayBuffer> {
  return allocate(length * Float32Array.BYTES_PER_ELEMENT, () => new Float32Array(length));
}
