import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { overlaps } from '../../lib/core/flat-buffer.ts';
import {
  axpy,
  cast,
  type DType,
  dot,
  FlatBuffer,
  gram,
  maskWhereZero,
  quantile,
  squaredNorm,
} from '../../lib/index.ts';
import { anything, codeOf, rejectionOf } from '../core/failures.ts';
import { printed } from './set-up.ts';

const device = 'cuda:0';
const floats = (...numbers: number[]) => deviceBuffer('f32', numbers);

/** A buffer on the device that holds these numbers when earlier calls are done. */
function deviceBuffer<Kind extends DType>(dtype: Kind, numbers: ArrayLike<number>): FlatBuffer<Kind> {
  const buffer = FlatBuffer.alloc(numbers.length, { dtype, device });
  buffer.copyFrom(Float64Array.from(numbers));
  return buffer;
}

/** What a buffer holds, as numbers. */
async function numbersOf(buffer: FlatBuffer): Promise<number[]> {
  return [...(await buffer.toFloat32Array())];
}

/** A copy on the CPU of what a buffer holds, with its bits. */
async function bitsOf(buffer: FlatBuffer): Promise<number[]> {
  const copy = FlatBuffer.alloc(buffer.length, { dtype: buffer.dtype });
  await copy.copyFrom(buffer);
  const { array } = copy;
  return [...(array instanceof Float32Array ? new Uint32Array(array.slice().buffer) : array)];
}

describe('memory of a device', () => {
  test('is zeroed, and no array', async () => {
    for (const dtype of ['f32', 'bf16', 'u8'] as const) {
      const buffer = FlatBuffer.alloc(5, { dtype, device });
      expect(await numbersOf(buffer)).toEqual([0, 0, 0, 0, 0]);
      expect(() => buffer.array).toThrow(/memory of cuda:0 cannot be shown as an array; use toFloat32Array\(\)/);
      expect(codeOf(() => buffer.array)).toBe('SOUL_UNSUPPORTED');
      expect(buffer).toMatchObject({ length: 5, dtype, device, released: false });
      expect(FlatBuffer.alloc(1, { device: 'cuda', dtype }).device).toBe(device);
      await buffer.release();
    }
    expect(FlatBuffer.alloc(5, { dtype: 'bf16', device }).byteLength).toBe(10);
  });

  test('is shared by views, at any start', async () => {
    const buffer = floats(0, 1, 2, 3, 4, 5);
    const view = buffer.view(1, 4);
    const inner = view.view(1, 2);
    await inner.fill(9);
    expect(await numbersOf(buffer)).toEqual([0, 1, 9, 9, 4, 5]);
    expect(view.view(2)).toMatchObject({ length: 2, device });
    expect(overlaps(buffer.view(0, 2), buffer.view(2, 2))).toBe(false);
    expect(overlaps(view, inner)).toBe(true);
    expect(overlaps(view, FlatBuffer.alloc(4))).toBe(false);
    expect(codeOf(() => buffer.view(3, 4))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('of no element is memory', async () => {
    const buffer = FlatBuffer.alloc(0, { device });
    await buffer.fill(1);
    await buffer.copyFrom(FlatBuffer.alloc(0));
    await buffer.copyTo(FlatBuffer.alloc(0, { device, dtype: 'bf16' }));
    expect(await buffer.toFloat32Array()).toHaveLength(0);
    expect(await buffer.view(0).toFloat32Array()).toHaveLength(0);
    await buffer.release();
  });

  test('that there is not is refused with a code', () => {
    expect(codeOf(() => FlatBuffer.alloc(2 ** 46, { device }))).toBe('SOUL_OUT_OF_MEMORY');
    expect(() => FlatBuffer.alloc(1, { device: 'cuda:63' })).toThrow(/no cuda:63/);
    expect(codeOf(() => FlatBuffer.alloc(1, { device: 'cuda:63' }))).toBe('SOUL_UNSUPPORTED');
    expect(codeOf(() => FlatBuffer.alloc(1, { device, dtype: 'f16' }))).toBe('SOUL_UNSUPPORTED');
    expect(codeOf(() => FlatBuffer.alloc(-1, { device }))).toBe('SOUL_INVALID_ARGUMENT');
  });
});

describe('copies and fills', () => {
  test('go in the order of the calls, awaited or not, between devices and with the CPU', async () => {
    const a = FlatBuffer.alloc(1000, { device });
    const b = FlatBuffer.alloc(1000, { device });
    const onHost = FlatBuffer.alloc(1000);
    const copies: Promise<Float32Array>[] = [];
    for (let i = 1; i <= 50; i++) {
      a.fill(i);
      b.copyFrom(a);
      a.fill(-i);
      onHost.copyFrom(b);
      onHost.copyTo(a.view(0, 1000));
      copies.push(a.toFloat32Array());
    }
    for (const [i, copy] of (await Promise.all(copies)).entries()) expect(copy.every((x) => x === i + 1)).toBe(true);
    expect(onHost.array[999]).toBe(50);
  });

  test('take a typed array as it is at the call', async () => {
    const buffer = FlatBuffer.alloc(3, { device });
    const source = Float64Array.of(0.1, 2, 3);
    const copied = buffer.copyFrom(source);
    source.fill(0);
    await copied;
    expect(await numbersOf(buffer)).toEqual([Math.fround(0.1), 2, 3]);
    const target = new Float64Array(3);
    await buffer.copyTo(target);
    expect([...target]).toEqual([Math.fround(0.1), 2, 3]);
  });

  test('round as they do on the CPU', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const onHost = FlatBuffer.alloc(1, { dtype });
      const buffer = FlatBuffer.alloc(1, { dtype, device });
      for (const value of [0.1, 1e300, -1e300, 3.4028235677973362e38, 1e-46, 1e-40, -1.00390625, -0, 1 + 3 * 2 ** -8]) {
        await Promise.all([onHost.fill(value), buffer.fill(value)]);
        expect(await bitsOf(buffer)).toEqual(await bitsOf(onHost));
        await Promise.all([onHost.copyFrom(Float64Array.of(value)), buffer.copyFrom(Float64Array.of(value))]);
        expect(await bitsOf(buffer)).toEqual(await bitsOf(onHost));
      }
      await buffer.fill(Number.NaN);
      expect(await numbersOf(buffer)).toEqual([Number.NaN]);
    }
  });

  test('act as on arrays, whatever the lengths and starts', async () => {
    const cases = fc.record({
      dtype: fc.constantFrom('f32' as const, 'bf16' as const, 'u8' as const),
      length: fc.integer({ min: 0, max: 70 }),
      start: fc.integer({ min: 0, max: 70 }),
      count: fc.integer({ min: 0, max: 70 }),
      target: fc.integer({ min: 0, max: 70 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ dtype, length, start, count, target }) => {
        fc.pre(start + count <= length && target + count <= length);
        const expected = Float32Array.from({ length }, (_, i) => i);
        const buffer = deviceBuffer(dtype, expected);
        expected.copyWithin(target, start, start + count);
        buffer.view(target, count).copyFrom(buffer.view(start, count));
        expect(await buffer.toFloat32Array()).toEqual(expected);
        await buffer.release();
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test('cast between floating dtypes, on the device and with the CPU', async () => {
    const numbers = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -3, 1e-40, Infinity];
    const wide = deviceBuffer('f32', numbers);
    const narrow = FlatBuffer.alloc(5, { dtype: 'bf16', device });
    narrow.copyFrom(wide);
    wide.fill(0);
    await narrow.copyTo(wide);
    const onHost = FlatBuffer.alloc(5, { dtype: 'bf16' });
    await onHost.copyFrom(Float64Array.from(numbers));
    expect(await numbersOf(wide)).toEqual(await numbersOf(onHost));

    const wideOnHost = FlatBuffer.alloc(5);
    await wideOnHost.copyFrom(narrow);
    expect(await numbersOf(wideOnHost)).toEqual(await numbersOf(onHost));
    await wide.copyFrom(onHost);
    expect(await numbersOf(wide)).toEqual(await numbersOf(onHost));
    await narrow.copyFrom(FlatBuffer.from(Float32Array.from(numbers)));
    expect(await bitsOf(narrow)).toEqual(await bitsOf(onHost));
  });

  test('of bytes take integers from 0 to 255 and go with nothing else', async () => {
    const bytes = FlatBuffer.alloc(3, { dtype: 'u8', device });
    await bytes.copyFrom(Float64Array.of(1, 255, 0));
    expect(await numbersOf(bytes)).toEqual([1, 255, 0]);
    for (const wrong of [Float32Array.of(0, 0.5, 1), Int8Array.of(0, -1, 1), Float64Array.of(256, 0, 0)]) {
      expect(await rejectionOf(bytes.copyFrom(wrong))).toBe('SOUL_INVALID_ARGUMENT');
    }
    for (const value of [-1, 256, 0.5, Number.NaN]) {
      expect(await rejectionOf(bytes.fill(value))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await rejectionOf(bytes.copyFrom(FlatBuffer.alloc(3)))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await rejectionOf(bytes.copyTo(FlatBuffer.alloc(3, { device })))).toBe('SOUL_INVALID_ARGUMENT');
    const onHost = FlatBuffer.alloc(3, { dtype: 'u8' });
    await onHost.copyFrom(bytes);
    expect([...onHost.array]).toEqual([1, 255, 0]);
    await bytes.fill(7);
    expect(await numbersOf(bytes)).toEqual([7, 7, 7]);
  });

  test('of another length are refused', async () => {
    const buffer = FlatBuffer.alloc(4, { device });
    for (const other of [FlatBuffer.alloc(3, { device }), FlatBuffer.alloc(5), new Float32Array(5), [1, 2, 3, 4]]) {
      expect(await rejectionOf(buffer.copyFrom(anything(other)))).toBe('SOUL_INVALID_ARGUMENT');
      expect(await rejectionOf(buffer.copyTo(anything(other)))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await rejectionOf(buffer.fill(anything('1')))).toBe('SOUL_INVALID_ARGUMENT');
  });
});

describe('buffers of different devices', () => {
  test('do not meet in a call; the error names both', async () => {
    const here = FlatBuffer.alloc(8);
    const there = FlatBuffer.alloc(8, { device });
    const calls = [
      () => dot(here, there),
      () => gram([there, there, here]),
      () => axpy(1, here, there),
      () => quantile({ of: 'product', a: there, b: here }, 0.5),
    ];
    for (const call of calls) {
      expect(await rejectionOf(call())).toBe('SOUL_INVALID_ARGUMENT');
      await expect(call()).rejects.toThrow(/cpu.*cuda:0|cuda:0.*cpu/s);
    }
  });

  test('are told apart by native code, too', async () => {
    const here = FlatBuffer.alloc(8).array;
    const there = nativeAddon().allocDevice(0, 8, 'f32');
    for (const call of [
      () => nativeAddon().dot(here, there),
      () => nativeAddon().axpy(1, there, here),
      () => nativeAddon().maskZeros(there, new Uint8Array(1)),
    ]) {
      expect(codeOf(call)).toBe('SOUL_INVALID_ARGUMENT');
    }
    await nativeAddon().releaseDevice(there);
  });

  test('are cast and copied', async () => {
    const wide = floats(1, 2, 257);
    const narrow = FlatBuffer.alloc(3, { dtype: 'bf16' });
    await cast(wide, narrow);
    expect(await numbersOf(narrow)).toEqual([1, 2, 256]);
  });

  test('make masks where they lie', async () => {
    const mask = await maskWhereZero(floats(0, 1, -0, 2, 0, 0, 3, 4, 0));
    expect(mask).toMatchObject({ dtype: 'u8', device, length: 2 });
    expect(await numbersOf(mask)).toEqual([0b110101, 1]);
  });
});

describe('release', () => {
  test('takes its turn, and every later use throws', async () => {
    const buffer = FlatBuffer.alloc(100_000, { device });
    const view = buffer.view(10, 5);
    buffer.fill(3);
    const sum = squaredNorm(buffer);
    const copy = buffer.toFloat32Array();
    const released = buffer.release();
    expect(buffer.released).toBe(true);
    expect(view.released).toBe(true);
    await released;
    expect((await copy).every((x) => x === 3)).toBe(true);
    expect(await sum).toBe(900_000);
    expect(codeOf(() => buffer.view(0))).toBe('SOUL_RELEASED');
    expect(await rejectionOf(buffer.fill(1))).toBe('SOUL_RELEASED');
    expect(await rejectionOf(view.toFloat32Array())).toBe('SOUL_RELEASED');
    expect(await rejectionOf(FlatBuffer.alloc(5).copyFrom(view))).toBe('SOUL_RELEASED');
    await buffer.release();
    await view.release();
  });

  test('of a view leaves the buffer', async () => {
    const buffer = FlatBuffer.alloc(4, { device });
    await buffer.view(0, 2).release();
    await buffer.fill(1);
    expect(await numbersOf(buffer)).toEqual([1, 1, 1, 1]);
  });

  test('frees the memory for the next', async () => {
    const { memory } = nativeAddon().cudaPlatform().devices[0]!;
    // Three of them at once would not fit.
    const length = Math.floor(memory / 4 / 2.5);
    for (let i = 0; i < 4; i++) {
      const buffer = FlatBuffer.alloc(length, { device });
      buffer.view(0, 16).fill(1);
      await buffer.release();
    }
  });

  test('is done by garbage collection, where nobody does it', () => {
    const program = `
      const { memory } = describeDevices().cuda.devices[0];
      for (let i = 0; i < 6; i++) {
        // Three of them at once would not fit.
        await FlatBuffer.alloc(Math.floor(memory / 4 / 2.5), { device: 'cuda' }).view(1).fill(1);
        for (let turn = 0; turn < 3; turn++) {
          await new Promise((resolve) => setImmediate(resolve));
          gc();
        }
      }
      print('done');
    `;
    expect(printed(program, { flags: ['--expose-gc'], variables: { SOUL_EMULATED_MEMORY: '50000000' } })).toEqual([
      'done',
    ]);
  });
});
