/**
 * Typed arrays of numbers, as JavaScript gives and takes the content of buffers.
 *
 * @module
 */

import { types } from 'node:util';
import { allocate } from './allocate.ts';
import { lengthOf } from './array-intrinsics.ts';
import { detached } from './detachable.ts';
import { invalidArgument } from './errors.ts';

/** Numbers that `copyFrom` takes from and `copyTo` gives to JavaScript. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

export function checkNumberArray(argument: string, value: unknown): void {
  const numbers = types.isTypedArray(value) && !types.isBigInt64Array(value) && !types.isBigUint64Array(value);
  if (!numbers) throw invalidArgument(argument, 'a FlatBuffer or a typed array of numbers', value);
}

/** `target.set(source)`; a length that was right fails only where an array has lost its memory. */
export function setFrom(target: NumberArray, source: NumberArray, argument: string): void {
  try {
    target.set(source);
  } catch {
    throw detached(argument);
  }
}

/** Numbers as bytes; a copy. */
export function bytesOf(source: NumberArray, argument: string): Uint8Array {
  const length = lengthOf(source);
  const bytes = allocate(length, () => new Uint8Array(length));
  setFrom(bytes, source, argument);
  const wrong = types.isUint8Array(source) ? -1 : bytes.findIndex((byte, i) => byte !== source[i]);
  if (wrong >= 0) throw invalidArgument(argument, 'integers from 0 to 255', source[wrong]);
  return bytes;
}
