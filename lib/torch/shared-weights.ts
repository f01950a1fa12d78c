/**
 * Frozen weights beside which adapters of several models stand.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';

/** Counts the models that stand on it, and gives the memory up with the last. */
export class SharedWeights<Kind extends WeightDType = WeightDType> {
  readonly values: FlatBuffer<Kind>;
  readonly layout: ParameterLayout;
  #users = 0;

  constructor(values: FlatBuffer<Kind>, layout: ParameterLayout) {
    this.values = values;
    this.layout = layout;
  }

  hold(): void {
    this.#users++;
  }

  /** Settles when the memory is given up, where this was the last. */
  async letGo(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.values.release();
  }
}
