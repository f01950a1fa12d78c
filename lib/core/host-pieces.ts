/**
 * Flat buffers of any device seen from the host a piece at a time, through memory that is made once.
 *
 * @module
 */

import { type ArrayOf, type DType, FlatBuffer } from './flat-buffer.ts';

/** Elements of a piece at most: 16 MiB of float32. */
export const pieceElements = 2 ** 22;

/** Memory of the host for pieces of a buffer of so many elements. */
function pieceMemory<Kind extends DType>(length: number, dtype: Kind): FlatBuffer<Kind> {
  return FlatBuffer.alloc(Math.min(length, pieceElements), { dtype });
}

/** What `source` holds, piece by piece through the same memory of the host; each is to be used before the next is asked for. */
export async function* hostPieces<Kind extends DType>(
  source: FlatBuffer<Kind>,
  through: FlatBuffer<Kind> = pieceMemory(source.length, source.dtype),
): AsyncGenerator<ArrayOf<Kind>> {
  for (let start = 0; start < source.length; start += through.length) {
    const piece = through.view(0, Math.min(through.length, source.length - start));
    await piece.copyFrom(source.view(start, piece.length));
    yield piece.array;
  }
}

/**
 * Fills `target` piece by piece through memory of the host.
 *
 * @param read fills a piece that begins at the element `start`
 */
export async function fillFromHost<Kind extends DType>(
  target: FlatBuffer<Kind>,
  read: (piece: ArrayOf<Kind>, start: number) => Promise<void>,
): Promise<void> {
  const through = pieceMemory(target.length, target.dtype);
  for (let start = 0; start < target.length; start += through.length) {
    const piece = through.view(0, Math.min(through.length, target.length - start));
    await read(piece.array, start);
    await target.view(start, piece.length).copyFrom(piece);
  }
}
