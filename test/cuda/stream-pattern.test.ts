import { expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { bitsOf, type Floating } from './twins.ts';

const length = 2003;

interface Streams {
  readOnly: FlatBuffer<Floating>[];
  both: FlatBuffer<Floating>[];
  writeOnly: FlatBuffer<Floating>[];
}

async function make(count: number, types: readonly Floating[], skew: number): Promise<FlatBuffer<Floating>[]> {
  const buffers: FlatBuffer<Floating>[] = [];
  for (let i = 0; i < count; i++) {
    const dtype = types[i % types.length]!;
    const buffer = FlatBuffer.alloc(length + skew, { dtype, device: 'cuda' }).view(skew);
    await buffer.copyFrom(hashed(i, length).map((x) => 1 + Math.abs(x)));
    buffers.push(buffer);
  }
  return buffers;
}

async function run({ readOnly, both, writeOnly }: Streams): Promise<void> {
  const memory = (buffers: FlatBuffer[]) => buffers.map((buffer) => nativeMemory(buffer, 'stream'));
  await nativeAddon().streamPattern(memory([...readOnly, ...both]), memory([...both, ...writeOnly]));
}

/** Bits of a buffer's elements as they lie, without the lowest of each word that an access moves. */
async function upperBits(buffer: FlatBuffer<Floating>): Promise<Uint32Array> {
  const lowest = buffer.dtype === 'f32' ? 1 : 1 << 16;
  return (await bitsOf(buffer)).map((bits) => (bits & ~lowest) >>> 0);
}

const kinds: (readonly Floating[])[] = [['f32'], ['bf16'], ['f32', 'bf16']];
const counts = [
  [1, 0, 1],
  [2, 2, 0],
  [3, 2, 1],
  [4, 2, 2],
  [9, 4, 3],
  [16, 0, 16],
] as const;

test.each(
  counts.flatMap((count, i) =>
    kinds.map((types) => [...count, types, launchShapes[i % launchShapes.length]!] as const),
  ),
)(
  'of %i streams read, %i read and written and %i written, of %p: every element is visited, %p',
  async (reads, boths, writes, types, shape) => {
    for (const skew of [0, 1]) {
      const streams: Streams = {
        readOnly: await make(reads, types, skew),
        both: await make(boths, types, 0),
        writeOnly: await make(writes, types, 0),
      };
      const read = await Promise.all(streams.readOnly.map(bitsOf));
      const kept = await Promise.all(streams.both.map(upperBits));
      await inShape(shape, () => run(streams));
      expect(await Promise.all(streams.readOnly.map(bitsOf))).toEqual(read);
      expect(await Promise.all(streams.both.map(upperBits))).toEqual(kept);
      for (const buffer of streams.writeOnly) expect((await upperBits(buffer)).every((bits) => bits === 0)).toBe(true);
    }
  },
);

test('memory of two devices is refused', async () => {
  const [host, cuda] = [FlatBuffer.alloc(8), FlatBuffer.alloc(8, { device: 'cuda' })];
  await expect(run({ readOnly: [host], both: [], writeOnly: [cuda] })).rejects.toThrow(/on cpu/);
});
