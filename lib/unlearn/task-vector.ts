/**
 * Task vectors: how far a descent has moved the weights, in float32.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import { axpy, cast } from '../core/vector-operations.ts';

/** Puts values - start into a buffer, which may be the values themselves. */
export async function taskVector(values: FlatBuffer, start: FlatBuffer, into: FlatBuffer): Promise<void> {
  if (into !== values) await cast(values, into);
  await axpy(-1, start, into);
}

/**
 * Sets values to start + factor * vector, rounded once. Where the vector is 0, the values are the start's to the bit.
 *
 * @param vector must not be the values
 */
export async function addTaskVector(
  values: FlatBuffer,
  start: FlatBuffer,
  factor: number,
  vector: FlatBuffer,
): Promise<void> {
  await values.copyFrom(start);
  await axpy(factor, vector, values);
}
