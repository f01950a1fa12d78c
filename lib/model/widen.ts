/**
 * Half-precision numbers as float32; every value is kept exactly.
 *
 * @module
 */

import { allocateFloats } from '../core/allocate.ts';

/**
 * Widens little-endian half-precision numbers.
 *
 * @param bytes two for each element of the result, at an even offset
 */
export function widenHalf(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const narrow = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const values = halfValues();
  const wide = allocateFloats(narrow.length);
  for (let i = 0; i < narrow.length; i++) wide[i] = values[narrow[i]!]!;
  return wide;
}

let halves: Float32Array | undefined;

/** The value of each of the 65,536 half-precision numbers: 1 sign, 5 exponent, 10 fraction bits. */
function halfValues(): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return halves;
}
