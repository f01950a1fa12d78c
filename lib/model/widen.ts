/**
 * 16-bit floating-point numbers as float32; every value is kept exactly.
 *
 * @module
 */

import type { SafetensorsDType } from '../core/safetensors.ts';

/** Element types of weights that can be read. */
export type FloatDType = 'F32' | 'BF16' | 'F16';

export function isFloatDType(dtype: SafetensorsDType): dtype is FloatDType {
  return dtype === 'F32' || dtype === 'BF16' || dtype === 'F16';
}

/**
 * Widens little-endian 16-bit numbers.
 *
 * @param bytes two for each element of `target`, at an even offset
 */
export function widen(bytes: Uint8Array, dtype: SafetensorsDType, target: Float32Array): void {
  const narrow = new Uint16Array(bytes.buffer, bytes.byteOffset, target.length);
  if (dtype === 'BF16') {
    const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
    for (let i = 0; i < narrow.length; i++) bits[i] = narrow[i]! << 16;
  } else {
    const values = halfValues();
    for (let i = 0; i < narrow.length; i++) target[i] = values[narrow[i]!]!;
  }
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
