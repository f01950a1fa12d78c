/**
 * The weights that an estimate may move: those of a parameter that are not frozen. Padding between parameters stays 0.
 *
 * @module
 */

import type { Device } from '../../core/devices.ts';
import { SoulError } from '../../core/errors.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { copyOfMask, countFrozen, isFrozen, maskOfRanges, maskUnion } from '../../core/frozen-masks.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import { rangesBeside } from '../../model/tensor-masks.ts';

/** Weights between two of the counts that a weight is found by. */
const blockLength = 4096;

export class Movable {
  /** How many there are. */
  readonly count: number;
  /** The mask of all other elements of the buffers, on their device; none where there are no others. */
  readonly others: FlatBuffer<'u8'> | undefined;
  readonly #bytes: Uint8Array | undefined;
  /** How many come before each block. */
  readonly #before: Float64Array;

  private constructor(length: number, bytes: Uint8Array | undefined, others: FlatBuffer<'u8'> | undefined) {
    const blocks = bytes === undefined ? 0 : Math.ceil(length / blockLength);
    this.#before = new Float64Array(blocks);
    let count = bytes === undefined ? length : 0;
    for (let block = 0; block < blocks; block++) {
      this.#before[block] = count;
      const start = block * blockLength;
      const size = Math.min(blockLength, length - start);
      count += size - countFrozen(bytes!, { start, length: size });
    }
    this.count = count;
    this.others = others;
    this.#bytes = bytes;
  }

  /**
   * @param frozen the mask of frozen weights, read once, on the device of the buffers
   * @throws SoulError SOUL_INVALID_ARGUMENT where no weight may move
   */
  static async of(layout: ParameterLayout, frozen: FlatBuffer<'u8'> | undefined, device: Device): Promise<Movable> {
    const gaps = rangesBeside(layout);
    if (gaps.length === 0 && frozen === undefined) return new Movable(layout.length, undefined, undefined);
    const padding = maskOfRanges(layout.length, gaps);
    const host = frozen === undefined ? padding : await maskUnion(padding, frozen);
    const others = device === 'cpu' ? host : await copyOfMask(host, device);
    const movable = new Movable(layout.length, host.array, others);
    if (movable.count > 0) return movable;
    await movable.release();
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'every weight is frozen: there is none to estimate a gradient of', {
      argument: 'frozen',
    });
  }

  /** The index in the buffers of the one that `rank` others come before. */
  at(rank: number): number {
    const bytes = this.#bytes;
    if (bytes === undefined) return rank;
    let [low, high] = [0, this.#before.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#before[middle]! <= rank) low = middle;
      else high = middle - 1;
    }
    let index = low * blockLength;
    for (let left = rank - this.#before[low]!; ; index++) {
      if (isFrozen(bytes, index)) continue;
      if (left === 0) return index;
      left -= 1;
    }
  }

  async release(): Promise<void> {
    await this.others?.release();
  }
}
