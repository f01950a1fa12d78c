/**
 * What an optimizer remembers, in bytes.
 *
 * @module
 */

import type { Precision } from './precision.ts';

/**
 * Bytes of the state of an optimizer over so many weights: its moving averages, and a float32 master of bf16 weights.
 *
 * @param elements of the flat buffer, padding included
 * @param averages that it keeps: 2 of AdamW and Sophia, 1 of SGD and sign descent
 */
export function optimizerStateBytes(
  elements: number,
  dtype: 'f32' | 'bf16',
  averages: number,
  precision: Precision = {},
): number {
  const { states = 'f32', master = dtype === 'bf16' ? 'f32' : 'none' } = precision;
  return elements * (averages * (states === 'f32' ? 4 : 2) + (master === 'f32' ? 4 : 0));
}
