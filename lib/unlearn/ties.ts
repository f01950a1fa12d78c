/**
 * TIES: task vectors are trimmed, agree on a sign, and are averaged where they have it.
 *
 * @see https://arxiv.org/abs/2306.01708
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { walkElements } from '../core/element-walk.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { quantile } from '../core/vector-operations.ts';

export interface TiesOptions extends Cancellable {
  /** Share of a vector's weights that is kept, the largest in magnitude, and any that are as large as the least of them. */
  density: number;
  /** Weights that the share is of, where vectors end in others that are 0; default all. */
  count?: number;
}

/**
 * Merges vectors of one length into the first of them; the others stay.
 *
 * The sign of a weight is that of the sum of what was kept; where that is 0, so is the result.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_CANCELLED
 */
export async function mergeTies(vectors: readonly FlatBuffer<'f32'>[], options: TiesOptions): Promise<void> {
  const { density, count, signal } = options;
  const thresholds: number[] = [];
  for (const vector of vectors) {
    const share = (density * (count ?? vector.length)) / vector.length;
    thresholds.push(await quantile({ of: 'magnitude', a: vector }, share));
  }
  const merge = (elements: Float32Array[]): void => {
    const [merged] = elements;
    for (let i = 0; i < merged!.length; i++) {
      let sum = 0;
      for (let p = 0; p < elements.length; p++) {
        const value = elements[p]![i]!;
        if (Math.abs(value) >= thresholds[p]!) sum += value;
      }
      let agreeing = 0;
      let voices = 0;
      for (let p = 0; p < elements.length; p++) {
        const value = elements[p]![i]!;
        if (!(Math.abs(value) >= thresholds[p]! && value * Math.sign(sum) > 0)) continue;
        agreeing += value;
        voices += 1;
      }
      merged![i] = voices === 0 ? 0 : agreeing / voices;
    }
  };
  await walkElements(vectors, merge, { writes: [0], ...(signal ? { signal } : {}) });
}
