/**
 * What an optimizer remembers, in bytes.
 *
 * @module
 */

import type { Precision } from './precision.ts';

/**
 * Bytes of the state of an optimizer, AdamW's as Sophia's, over so many weights: two moving averages, and a float32 master of bf16
 * weights.
 *
 * @param elements of the flat buffer, padding included
 */
export function optimizerStateBytes(elements: number, dtype: 'f32' | 'bf16', precision: Precision = {}): number {
  const { states = 'f32', master = dtype === 'bf16' ? 'f32' : 'none' } = precision;
  return elements * (2 * (states === 'f32' ? 4 : 2) + (master === 'f32' ? 4 : 0));
}
