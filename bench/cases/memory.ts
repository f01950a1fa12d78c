/**
 * Buffers with data in them.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DType, FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';

/** Numbers that are drawn; longer buffers repeat them. So few that making them takes next to no memory of its own. */
const blockLength = 2 ** 16;

/** A buffer of numbers spread evenly over [-scale, scale); every page of it has been written. */
export async function filledBuffer(length: number, dtype: DType, scale: number): Promise<FlatBuffer> {
  const stream = randomStream(0n, 'benchmark');
  const block = new Float32Array(Math.min(length, blockLength));
  for (let i = 0; i < block.length; i++) block[i] = scale * (2 * stream.uniform(0, i) - 1);
  const buffer = FlatBuffer.alloc(length, { dtype });
  await repeat(block, buffer);
  return buffer;
}

/** A mask: a bit for each of `length` weights, about half of them set. */
export async function randomBits(length: number): Promise<FlatBuffer<'u8'>> {
  const mask = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8' });
  const stream = randomStream(0n, 'benchmark mask');
  const block = new Uint8Array(Math.min(mask.length, blockLength));
  for (let i = 0; i < block.length; i++) block[i] = stream.bits(0, i);
  await repeat(block, mask);
  return mask;
}

/** Writes the block again and again until the buffer is full. */
async function repeat(block: Float32Array | Uint8Array, buffer: FlatBuffer): Promise<void> {
  await buffer.view(0, block.length).copyFrom(block);
  for (let filled = block.length; filled < buffer.length; filled *= 2) {
    const length = Math.min(filled, buffer.length - filled);
    await buffer.view(filled, length).copyFrom(buffer.view(0, length));
  }
}

/** Collects what was released: the memory of many gigabytes would otherwise wait for the collector's own time. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Native work of the past turn of the event loop may still hold references.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
}
