/**
 * Buffers with data in them.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DType, FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';

const blockLength = 2 ** 20;

/** A buffer of numbers spread evenly over [-scale, scale); every page of it has been written. */
export async function filledBuffer(length: number, dtype: DType, scale: number): Promise<FlatBuffer> {
  const buffer = FlatBuffer.alloc(length, { dtype });
  const stream = randomStream(0n, 'benchmark');
  const block = Float32Array.from(
    { length: Math.min(length, blockLength) },
    (_, index) => scale * (2 * stream.uniform(0, index) - 1),
  );
  for (let start = 0; start < length; start += blockLength) {
    const part = buffer.view(start, Math.min(blockLength, length - start));
    await part.copyFrom(block.subarray(0, part.length));
  }
  return buffer;
}

/** A mask: a bit for each of `length` weights, about half of them set. */
export async function randomBits(length: number): Promise<FlatBuffer<'u8'>> {
  const mask = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8' });
  const stream = randomStream(0n, 'benchmark mask');
  const block = Uint8Array.from({ length: Math.min(mask.length, blockLength) }, (_, index) => stream.bits(0, index));
  for (let start = 0; start < mask.length; start += blockLength) {
    const part = mask.view(start, Math.min(blockLength, mask.length - start));
    await part.copyFrom(block.subarray(0, part.length));
  }
  return mask;
}

/** Collects what was released: the memory of many gigabytes would otherwise wait for the collector's own time. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Native work of the past turn of the event loop may still hold references.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
}
