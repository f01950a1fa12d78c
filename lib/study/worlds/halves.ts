/**
 * Which examples a study measures, and which half each is in.
 *
 * @module
 */

import { randomStream } from '../../core/random.ts';
import type { EncodedExample } from '../../data/encode.ts';
import type { Example } from '../../data/example.ts';

export type Half = 'validation' | 'test';

/** Examples that are measured; settings are chosen by one half of them, figures are of the other. */
export interface MeasuredItems {
  readonly items: readonly Example[];
  readonly sequences: readonly EncodedExample[];
  /** The half of each. */
  readonly halves: readonly Half[];
}

/**
 * Examples spread evenly over a set, put into halves alternately after a draw. With an odd number the half that chooses has one more.
 *
 * @param count of examples; all of a set that has fewer
 * @param purpose tells sets apart, whose draws are independent
 */
export function measuredItems(
  set: { readonly items: readonly Example[]; readonly encoded: readonly EncodedExample[] },
  count: number,
  seed: bigint,
  purpose: string,
): MeasuredItems {
  const places = evenly(set.items.length, count);
  const halves = new Array<Half>(places.length).fill('test');
  const order = randomStream(seed, `halves of ${purpose}`).permutation(places.length, 0);
  for (const [rank, place] of order.entries()) if (rank % 2 === 0) halves[place] = 'validation';
  return {
    items: places.map((place) => set.items[place]!),
    sequences: places.map((place) => set.encoded[place]!),
    halves,
  };
}

/** `count` of `length` places, spread evenly. */
export function evenly(length: number, count: number): number[] {
  const taken = Math.min(count, length);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * length) / taken));
}
