/**
 * Allocations that fail with an error of the package.
 *
 * @module
 */

import { type NativeArray, nativeAddon } from './addon.ts';
import { SoulError } from './errors.ts';
import { gibibytes } from './out-of-memory.ts';

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
      `${gibibytes(bytes)} could not be allocated; free memory, or use a smaller model`,
      { bytes },
      { cause },
    );
  }
}

/** Zeroed float32 memory of JavaScript's own. */
export function allocateFloats(length: number): Float32Array<ArrayBuffer> {
  return allocate(length * Float32Array.BYTES_PER_ELEMENT, () => new Float32Array(length));
}

const lineBytes = 64;
/** Buffers from this size on begin at different places within their pages. */
const largeBytes = 2 ** 20;
const places = 13;
/** 147 cache lines: all places differ in their lower twelve bits, by which processors first compare addresses. */
const placeBytes = 147 * lineBytes;
let placed = 0;

/**
 * Zeroed shared memory that nothing can detach, at the start of a cache line.
 *
 * A step walks several buffers at once. Where they lie a power of two apart, as arrays of such a length otherwise do,
 * their elements compete for the same lines of a cache, and the step may take twice its time.
 *
 * @param make the array of a buffer's part
 */
export function allocateShared<Kind extends NativeArray>(
  bytes: number,
  make: (buffer: SharedArrayBuffer, byteOffset: number) => Kind,
): Kind {
  const large = bytes >= largeBytes;
  const slack = bytes === 0 ? 0 : lineBytes + (large ? places * placeBytes : 0);
  // An array may be longer than JavaScript allows where its buffer is not.
  return allocate(bytes, () => {
    const buffer = new SharedArrayBuffer(bytes + slack);
    if (slack === 0) return make(buffer, 0);
    const { address } = nativeAddon().describe(new Uint8Array(buffer, 0, 1));
    const toLine = Number(-address & BigInt(lineBytes - 1));
    return make(buffer, toLine + (large ? (placed++ % places) * placeBytes : 0));
  });
}
