/**
 * The draws of one input: everything in it is a function of (seed, kind, number).
 *
 * @module
 */

import { type RandomStream, randomStream } from '../../lib/core/random.ts';

export class Draw {
  readonly #stream: RandomStream;
  readonly #number: number;
  #index = 0;

  constructor(seed: bigint, kind: string, number: number) {
    this.#stream = randomStream(seed, kind);
    this.#number = number;
  }

  /** An integer in [0, limit). */
  integer(limit: number): number {
    return this.#stream.integer(limit, this.#number, this.#index++);
  }

  /** True once in so many draws. */
  once(times: number): boolean {
    return this.integer(times) === 0;
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.integer(values.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.integer(256));
  }
}
