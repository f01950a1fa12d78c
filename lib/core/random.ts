/**
 * Random numbers as a function of (seed, purpose, step, index).
 *
 * No generator has a state, so nothing needs saving: the same four give the same draw on every machine, in any order.
 *
 * @module
 */

/** Draws for one seed and one purpose; different purposes are independent streams. */
export interface RandomStream {
  /** 32 uniformly random bits. */
  bits(step: number, index: number): number;
  /** A number in [0, 1), a multiple of 2^-32. */
  uniform(step: number, index: number): number;
  /** An integer in [0, limit). */
  integer(limit: number, step: number, index: number): number;
  /** A permutation of 0 .. length - 1 (Fisher and Yates). */
  permutation(length: number, step: number): Uint32Array;
  /** A 64-bit seed for native code that draws on its own, for instance label sampling. */
  seed64(step: number, index: number): bigint;
}

/** The stream of draws for `seed` (any bigint, its low 64 bits count) and `purpose` (any text, for instance `'shuffle'`). */
export function randomStream(seed: bigint, purpose: string): RandomStream {
  const masked = BigInt.asUintN(64, seed);
  let low = mix(Number(masked & 0xffffffffn));
  let high = mix(Number(masked >> 32n) ^ 0x9e3779b9);
  for (let i = 0; i < purpose.length; i++) {
    low = mix(low ^ purpose.charCodeAt(i));
    high = mix(high + Math.imul(purpose.charCodeAt(i), 0x85ebca6b));
  }

  const bits = (step: number, index: number): number => {
    let state = mix(low ^ (step >>> 0));
    state = mix(state + high + Math.floor(step / 2 ** 32));
    state = mix(state ^ (index >>> 0));
    return mix(state + Math.imul(Math.floor(index / 2 ** 32) + 1, 0x9e3779b9)) >>> 0;
  };
  const uniform = (step: number, index: number): number => bits(step, index) / 2 ** 32;
  const integer = (limit: number, step: number, index: number): number => Math.floor(uniform(step, index) * limit);

  return {
    bits,
    uniform,
    integer,
    permutation(length, step) {
      const order = Uint32Array.from({ length }, (_, i) => i);
      for (let i = length - 1; i > 0; i--) {
        const j = integer(i + 1, step, i);
        const kept = order[i]!;
        order[i] = order[j]!;
        order[j] = kept;
      }
      return order;
    },
    seed64: (step, index) => (BigInt(bits(step, 2 * index)) << 32n) | BigInt(bits(step, 2 * index + 1)),
  };
}

/** A 32-bit finalizer with low bias (Wellons' "lowbias32" constants). */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
