/**
 * Buffers with data in them.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Device, type DType, FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type RandomStream, randomStream } from '../../lib/core/random.ts';

/** Numbers that are drawn; longer buffers repeat them. So few that making them takes next to no memory of its own. */
const blockLength = 2 ** 16;

let evenNumbers: Float32Array | undefined;
let evenBytes: Uint8Array | undefined;

/** A buffer of numbers spread evenly over [-scale, scale); every page of it has been written. */
export async function filledBuffer(
  length: number,
  dtype: DType,
  scale: number,
  device: Device = 'cpu',
): Promise<FlatBuffer> {
  evenNumbers ??= drawn(Float32Array, 'benchmark', (stream, i) => 2 * stream.uniform(0, i) - 1);
  const block = evenNumbers.subarray(0, length).map((number) => scale * number);
  const buffer = FlatBuffer.alloc(length, { dtype, device });
  await repeat(block, buffer);
  return buffer;
}

/** A mask: a bit for each of `length` weights, about half of them set. */
export async function randomBits(length: number, device: Device = 'cpu'): Promise<FlatBuffer<'u8'>> {
  const mask = FlatBuffer.alloc(Math.ceil(length / 8), { dtype: 'u8', device });
  evenBytes ??= drawn(Uint8Array, 'benchmark mask', (stream, i) => stream.bits(0, i));
  await repeat(evenBytes.subarray(0, mask.length), mask);
  return mask;
}

function drawn<Numbers extends Float32Array | Uint8Array>(
  numbers: new (length: number) => Numbers,
  purpose: string,
  draw: (stream: RandomStream, index: number) => number,
): Numbers {
  const stream = randomStream(0n, purpose);
  const block = new numbers(blockLength);
  for (let i = 0; i < blockLength; i++) block[i] = draw(stream, i);
  return block;
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
