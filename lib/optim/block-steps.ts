/**
 * The step of an optimizer with one moving average, as operations on vectors: on every device, and without a kernel of its own.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';
import { type DType, FlatBuffer } from '../core/flat-buffer.ts';
import { copyOfMask, countFrozen, fillFrozen, markZeros } from '../core/frozen-masks.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import { axpy, cast, type RoundingOptions, scale, squaredNorm } from '../core/vector-operations.ts';
import type { GroupLayout } from './parameter-groups.ts';

/** What a step reads and writes; all of one length, on one device. */
export interface SteppedBuffers {
  readonly values: FlatBuffer;
  readonly gradients: FlatBuffer;
  readonly momentum: FlatBuffer;
  readonly master: FlatBuffer<'f32'> | undefined;
  readonly frozen: FlatBuffer<'u8'> | undefined;
}

/** Moves values against their moving average: values <- values + by * d(momentum). */
export type Move = (by: number, momentum: FlatBuffer<'f32'>, values: FlatBuffer<'f32'>) => Promise<void>;

/** The numbers of one step; each finite as float32. */
export interface StepNumbers {
  /** m <- momentum * m + gradientFactor * g */
  readonly momentum: number;
  readonly gradientFactor: number;
  /** For each range of the layout: values <- keep * values + by * d(m). */
  readonly ranges: readonly { readonly keep: number; readonly by: number }[];
  /** How what lies in bf16 is rounded, but for the copy of a master, which is the nearest. */
  readonly rounding: { readonly values: RoundingOptions; readonly momentum: RoundingOptions };
}

/** Weights of a block: few enough to stay in a cache, and many enough that calls cost little beside the work. */
const blockLength = 2 ** 20;

/** What a block holds of one range of the layout, in the scratch memory. */
interface Piece {
  readonly range: number;
  readonly momentum: FlatBuffer<'f32'>;
  readonly weights: FlatBuffer<'f32'>;
}

interface Block extends SteppedBuffers {
  /** Scratch memory of the block's length, in float32. */
  readonly scratch: {
    readonly momentum: FlatBuffer<'f32'>;
    readonly weights: FlatBuffer<'f32'>;
    readonly spare: FlatBuffer<'f32'>;
  };
  readonly pieces: readonly Piece[];
  /** Masks: what is not frozen, where something is, and what the step has left as it was. */
  readonly free: FlatBuffer<'u8'> | undefined;
  readonly unchanged: FlatBuffer<'u8'>;
}

/**
 * Steps block by block. New values are computed in float32 in scratch memory of three blocks, and put in their places there. Of
 * a frozen weight the old number is put back, to the bit.
 */
export class BlockSteps {
  readonly #buffers: SteppedBuffers;
  readonly #layout: GroupLayout;
  readonly #move: Move;
  readonly #made: FlatBuffer[] = [];
  readonly #unchanged: FlatBuffer<'u8'>;
  readonly #blocks: readonly Block[];

  /** @throws SoulError SOUL_OUT_OF_MEMORY */
  constructor(buffers: SteppedBuffers, layout: GroupLayout, move: Move) {
    this.#buffers = buffers;
    this.#layout = layout;
    this.#move = move;
    const { values, frozen } = buffers;
    const { length, device } = values;
    try {
      const scratch = () => this.#alloc(Math.min(length, blockLength), 'f32', device);
      const [momentum, weights, spare] = [scratch(), scratch(), scratch()];
      const mask = () => this.#alloc(Math.ceil(length / 8), 'u8', device);
      this.#unchanged = mask();
      const free = frozen && mask();
      const starts = Array.from({ length: Math.ceil(length / blockLength) }, (_, block) => block * blockLength);
      this.#blocks = starts.map((start) => {
        const count = Math.min(blockLength, length - start);
        const part = <Kind extends DType>(buffer: FlatBuffer<Kind>) => buffer.view(start, count);
        const ofMask = (buffer: FlatBuffer<'u8'>) => buffer.view(start / 8, Math.ceil(count / 8));
        return {
          values: part(values),
          gradients: part(buffers.gradients),
          momentum: part(buffers.momentum),
          master: buffers.master && part(buffers.master),
          frozen: frozen && ofMask(frozen),
          free: free && ofMask(free),
          unchanged: ofMask(this.#unchanged),
          scratch: { momentum: momentum.view(0, count), weights: weights.view(0, count), spare: spare.view(0, count) },
          pieces: rangesOf(layout).flatMap(({ start: first, length: own }, range): Piece[] => {
            const [from, to] = [Math.max(first, start), Math.min(first + own, start + count)];
            if (from >= to) return [];
            const piece = (buffer: FlatBuffer<'f32'>) => buffer.view(from - start, to - from);
            return [{ range, momentum: piece(momentum), weights: piece(weights) }];
          }),
        };
      });
    } catch (error) {
      // Nobody else could: a device's memory would be gone until garbage is collected.
      this.release().catch(() => {});
      throw error;
    }
  }

  /** What a step must know before it: the gradient's norm, and how many weights of each range are not frozen. */
  async measure(): Promise<{ gradientNorm: number; stepped: number[] }> {
    const { gradients, frozen } = this.#buffers;
    const ranges = rangesOf(this.#layout);
    if (frozen === undefined) {
      return { gradientNorm: Math.sqrt(await squaredNorm(gradients)), stepped: ranges.map(({ length }) => length) };
    }
    const [mask, ...squares] = await Promise.all([
      copyOfMask(frozen, 'cpu'),
      ...this.#blocks.map(async (block) => {
        const { spare } = block.scratch;
        const [, , , , , square] = await Promise.all([
          spare.fill(0),
          fillFrozen(spare, block.frozen!, 1),
          markZeros(spare, block.free!),
          cast(block.gradients, spare),
          fillFrozen(spare, block.frozen!, 0),
          squaredNorm(spare),
        ]);
        return square;
      }),
    ]);
    const bytes = mask.array;
    return {
      gradientNorm: Math.sqrt(squares.reduce((sum, square) => sum + square, 0)),
      stepped: ranges.map((range) => range.length - countFrozen(bytes, range)),
    };
  }

  /**
   * Puts the whole step on its way before it returns, so that nothing comes between its parts.
   *
   * @returns how many weights of each range it changed
   */
  async step(numbers: StepNumbers): Promise<number[]> {
    const work = this.#blocks.flatMap((block, index) => this.#stepBlock(block, index, numbers));
    const [mask] = await Promise.all([copyOfMask(this.#unchanged, 'cpu'), ...work]);
    const bytes = mask.array;
    return rangesOf(this.#layout).map((range) => range.length - countFrozen(bytes, range));
  }

  async release(): Promise<void> {
    await Promise.all(this.#made.map((buffer) => buffer.release()));
  }

  #stepBlock(block: Block, index: number, numbers: StepNumbers): Promise<void>[] {
    const { values, gradients, momentum, master, frozen, pieces, unchanged } = block;
    const { momentum: average, weights, spare } = block.scratch;
    const steppedOn = master ?? values;
    const keepFrozen = (fresh: FlatBuffer<'f32'>, old: FlatBuffer) =>
      frozen === undefined
        ? []
        : [
            // What is added to -0 stays what it is, -0 itself too.
            cast(old, spare),
            fillFrozen(spare, block.free!, -0),
            fillFrozen(fresh, frozen, -0),
            axpy(1, spare, fresh),
          ];
    return [
      cast(momentum, average),
      scale(average, numbers.momentum),
      axpy(numbers.gradientFactor, gradients, average),
      cast(steppedOn, weights),
      ...pieces.flatMap((piece) => {
        const { keep, by } = numbers.ranges[piece.range]!;
        return [...(keep === 1 ? [] : [scale(piece.weights, keep)]), this.#move(by, piece.momentum, piece.weights)];
      }),
      ...keepFrozen(average, momentum),
      ...keepFrozen(weights, steppedOn),
      cast(average, momentum, { ...numbers.rounding.momentum, count: index }),
      ...(master ? [cast(weights, master), ...keepFrozen(weights, values)] : []),
      cast(values, spare),
      cast(weights, values, master ? {} : { ...numbers.rounding.values, count: index }),
      axpy(-1, values, spare),
      // A frozen weight may be infinite.
      ...(frozen ? [fillFrozen(spare, frozen, 0)] : []),
      markZeros(spare, unchanged),
    ];
  }

  #alloc<Kind extends DType>(length: number, dtype: Kind, device: Device): FlatBuffer<Kind> {
    const buffer = takingMemory('what the optimizer keeps', () => FlatBuffer.alloc(length, { dtype, device }));
    this.#made.push(buffer);
    return buffer;
  }
}

/** The ranges of a layout, which cover it. */
function rangesOf({ segments, groupOf }: GroupLayout): { readonly start: number; readonly length: number }[] {
  return groupOf.map((_, range) => ({ start: segments[5 * range]!, length: segments[5 * range + 1]! }));
}
