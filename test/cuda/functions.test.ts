import { describe, expect, test } from '@jest/globals';
import { type NativeExternal, nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { bitsOf } from './twins.ts';

/** Floats of all exponents, and what is special. */
const inputs = Float32Array.of(
  ...[0, -0, Infinity, -Infinity, Number.NaN, 1, -1, 1e-45, -1e-45, 89, 88.72, -104, -103.9, 3.4e38],
  ...hashed(1, 4000).map((x, i) => x * 2 ** ((i % 270) - 140)),
  ...hashed(2, 4000).map((x) => 100 * x),
);

describe.each(['exp', 'log'] as const)('%s', (name) => {
  test.each(launchShapes)('has the bits of the CPU: %p', async (shape) => {
    const wanted = FlatBuffer.alloc(inputs.length);
    await nativeAddon().elementwise(name, inputs, nativeMemory(wanted, 'output'));
    for (const skew of [0, 3]) {
      const [input, output] = [0, skew].map((start) =>
        FlatBuffer.alloc(inputs.length + start, { device: 'cuda' }).view(start),
      ) as [FlatBuffer, FlatBuffer];
      await input.copyFrom(inputs);
      await inShape(shape, () =>
        nativeAddon().elementwise(name, nativeMemory(input, 'input'), nativeMemory(output, 'output')),
      );
      expect(await bitsOf(output)).toEqual(await bitsOf(wanted));
    }
  });
});

test.each(launchShapes)('random bits are those of the CPU: %p', async (shape) => {
  const length = 4003;
  for (const [seed, row] of [
    [0n, 0n],
    [2n ** 64n - 1n, 2n ** 40n],
  ] as const) {
    const wanted = new Int32Array(length);
    await nativeAddon().randomBits(seed, row, wanted);
    const memory = FlatBuffer.alloc(length + 1, { device: 'cuda' }).view(1);
    await inShape(shape, () => nativeAddon().randomBits(seed, row, nativeMemory(memory, 'bits') as NativeExternal));
    const found = await memory.toFloat32Array();
    expect(new Int32Array(found.buffer)).toEqual(wanted);
  }
});
