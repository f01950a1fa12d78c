import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nativeAddon } from '../../lib/core/addon.ts';
import { overlaps } from '../../lib/core/flat-buffer.ts';
import { FlatBuffer } from '../../lib/index.ts';
import { fromPointer, pointerOf, useStream } from '../../lib/unsafe.ts';
import { anything, codeOf, rejectionOf } from './failures.ts';

describe('memory', () => {
  test('alloc gives zeroed memory that cannot be detached', () => {
    const buffer = FlatBuffer.alloc(5);
    expect([...buffer.array]).toEqual([0, 0, 0, 0, 0]);
    expect(buffer.array.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(buffer).toMatchObject({ length: 5, byteLength: 20, dtype: 'f32', device: 'cpu', released: false });
  });

  test('from shares the memory of the array', async () => {
    const array = Float32Array.of(1, 2, 3);
    const buffer = FlatBuffer.from(array);
    expect(buffer.array).toBe(array);
    await buffer.fill(7);
    expect([...array]).toEqual([7, 7, 7]);
  });

  test('views share memory, at any start', async () => {
    const buffer = FlatBuffer.from(Float32Array.of(0, 1, 2, 3, 4, 5));
    const view = buffer.view(1, 4);
    const inner = view.view(1, 2);
    await inner.fill(9);
    expect([...buffer.array]).toEqual([0, 1, 9, 9, 4, 5]);
    expect(view.view(2).length).toBe(2);
    expect(overlaps(buffer.view(0, 2), buffer.view(2, 2))).toBe(false);
    expect(overlaps(view, inner)).toBe(true);
  });

  test('copies go in the order of the calls, awaited or not', async () => {
    const a = FlatBuffer.alloc(1000);
    const b = FlatBuffer.alloc(1000);
    for (let i = 1; i <= 200; i++) {
      a.fill(i);
      b.copyFrom(a);
      a.fill(-i);
    }
    expect((await b.toFloat32Array()).every((x) => x === 200)).toBe(true);
    expect(a.array[999]).toBe(-200);
  });

  test('copyFrom takes a typed array as it is at the call', async () => {
    const buffer = FlatBuffer.alloc(3);
    const source = Float64Array.of(0.1, 2, 3);
    const copied = buffer.copyFrom(source);
    source.fill(0);
    await copied;
    expect([...buffer.array]).toEqual([Math.fround(0.1), 2, 3]);
  });

  test('copyTo fills buffers and typed arrays, also overlapping ones', async () => {
    const buffer = FlatBuffer.from(Float32Array.of(1, 2, 3, 4));
    const target = new Float64Array(4);
    await buffer.copyTo(target);
    expect([...target]).toEqual([1, 2, 3, 4]);
    await buffer.view(0, 3).copyTo(buffer.view(1, 3));
    expect([...buffer.array]).toEqual([1, 1, 2, 3]);
  });

  test('fill rounds as Math.fround does', async () => {
    const buffer = FlatBuffer.alloc(1);
    for (const value of [0.1, 1e300, -1e300, 3.4028235677973362e38, 1e-46, Number.NaN]) {
      await buffer.fill(value);
      expect(buffer.array[0]).toEqual(Math.fround(value));
    }
  });

  test('copies and fills act as on arrays, whatever the lengths and starts', async () => {
    const cases = fc.record({
      length: fc.integer({ min: 0, max: 70 }),
      start: fc.integer({ min: 0, max: 70 }),
      count: fc.integer({ min: 0, max: 70 }),
      target: fc.integer({ min: 0, max: 70 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ length, start, count, target }) => {
        fc.pre(start + count <= length && target + count <= length);
        const expected = Float32Array.from({ length }, (_, i) => i);
        const buffer = FlatBuffer.from(expected.slice());
        expected.copyWithin(target, start, start + count);
        buffer.view(target, count).copyFrom(buffer.view(start, count));
        expect(await buffer.toFloat32Array()).toEqual(expected);
      }),
      { seed: 1 },
    );
  });
});

describe('dtypes', () => {
  test('alloc and from give arrays of their dtype', () => {
    const half = FlatBuffer.alloc(5, { dtype: 'bf16' });
    expect(half).toMatchObject({ length: 5, byteLength: 10, dtype: 'bf16' });
    expect(half.array).toBeInstanceOf(Uint16Array);
    const mask = FlatBuffer.alloc(5, { dtype: 'u8' });
    expect(mask).toMatchObject({ length: 5, byteLength: 5, dtype: 'u8' });
    expect([...mask.array]).toEqual([0, 0, 0, 0, 0]);
    expect(mask.array.buffer).toBeInstanceOf(SharedArrayBuffer);

    const bits = Uint16Array.of(0x3f80, 0xc000);
    expect(FlatBuffer.from(bits).dtype).toBe('bf16');
    expect(FlatBuffer.from(bits, { dtype: 'bf16' }).array).toBe(bits);
    expect(FlatBuffer.from(new Uint8Array(3), { dtype: 'u8' }).byteLength).toBe(3);
    expect(codeOf(() => FlatBuffer.from(bits, anything({ dtype: 'f32' })))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => FlatBuffer.from(bits, anything({ dtype: 'f16' })))).toBe('SOUL_UNSUPPORTED');
    expect(codeOf(() => FlatBuffer.from(bits, anything(null)))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('numbers are rounded on their way in, and come out as they are', async () => {
    const buffer = FlatBuffer.from(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0));
    expect([...(await buffer.toFloat32Array())]).toEqual([1, -2, Infinity, 0]);
    // Numbers, not bits.
    await buffer.copyFrom(Uint16Array.of(1, 2, 257, 0x3f80));
    const target = new Float64Array(4);
    await buffer.copyTo(target);
    expect([...target]).toEqual([1, 2, 256, 16256]);
    await buffer.view(1, 2).fill(-1.00390625);
    expect([...buffer.array]).toEqual([0x3f80, 0xbf80, 0xbf80, 0x467e]);
  });

  test('buffers of other floating dtypes are cast, in turn', async () => {
    const wide = FlatBuffer.from(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, -3));
    const narrow = FlatBuffer.alloc(3, { dtype: 'bf16' });
    narrow.copyFrom(wide);
    wide.fill(0);
    await narrow.copyTo(wide);
    expect([...wide.array]).toEqual([1, 1 + 2 ** -6, -3]);
  });

  test('bytes hold integers from 0 to 255 and go with nothing else', async () => {
    const bytes = FlatBuffer.alloc(3, { dtype: 'u8' });
    await bytes.copyFrom(Float64Array.of(1, 255, 0));
    expect([...(await bytes.toFloat32Array())]).toEqual([1, 255, 0]);
    const copy = FlatBuffer.alloc(3, { dtype: 'u8' });
    await copy.copyFrom(bytes);
    expect([...copy.array]).toEqual([1, 255, 0]);
    for (const wrong of [Float32Array.of(0, 0.5, 1), Int8Array.of(0, -1, 1), Float64Array.of(256, 0, 0)]) {
      expect(await rejectionOf(bytes.copyFrom(wrong))).toBe('SOUL_INVALID_ARGUMENT');
    }
    for (const value of [-1, 256, 0.5, Number.NaN]) {
      expect(await rejectionOf(bytes.fill(value))).toBe('SOUL_INVALID_ARGUMENT');
    }
    await bytes.fill(7);
    expect([...bytes.array]).toEqual([7, 7, 7]);
    const floats = FlatBuffer.alloc(3);
    expect(await rejectionOf(bytes.copyFrom(floats))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await rejectionOf(bytes.copyTo(floats))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('memory by address has a dtype', async () => {
    const owner = FlatBuffer.from(Uint16Array.of(0, 0x3f80, 0xc000, 0));
    const { address } = nativeAddon().describe(owner.array);
    const buffer = fromPointer({ pointer: address + 2n, length: 3, dtype: 'bf16', owner });
    expect(buffer.byteLength).toBe(6);
    expect([...(await buffer.toFloat32Array())]).toEqual([1, -2, 0]);
    await buffer.view(1, 1).fill(1);
    expect([...owner.array]).toEqual([0, 0x3f80, 0x3f80, 0]);
    const bytes = fromPointer({ pointer: address + 3n, length: 1, dtype: 'u8', owner });
    expect([...(await bytes.toFloat32Array())]).toEqual([0x3f]);
    expect(codeOf(() => fromPointer({ pointer: address + 1n, length: 1, dtype: 'bf16' }))).toBe(
      'SOUL_INVALID_ARGUMENT',
    );
    expect(codeOf(() => fromPointer({ pointer: address + 2n, length: 1 }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => fromPointer({ pointer: address, length: 1, dtype: 'f16' }))).toBe('SOUL_UNSUPPORTED');
  });
});

describe('release', () => {
  test('takes its turn, and every later use throws', async () => {
    const array = new Float32Array(100_000);
    const buffer = FlatBuffer.from(array);
    const view = buffer.view(10, 5);
    buffer.fill(3);
    const released = buffer.release();
    expect(buffer.released).toBe(true);
    expect(view.released).toBe(true);
    await released;
    expect(array.every((x) => x === 3)).toBe(true);
    expect(codeOf(() => buffer.array)).toBe('SOUL_RELEASED');
    expect(codeOf(() => view.array)).toBe('SOUL_RELEASED');
    expect(codeOf(() => buffer.view(0))).toBe('SOUL_RELEASED');
    expect(await rejectionOf(buffer.fill(1))).toBe('SOUL_RELEASED');
    expect(await rejectionOf(view.toFloat32Array())).toBe('SOUL_RELEASED');
    expect(await rejectionOf(FlatBuffer.alloc(5).copyFrom(view))).toBe('SOUL_RELEASED');
    await buffer.release();
  });

  test('releasing a view leaves the buffer', async () => {
    const buffer = FlatBuffer.alloc(4);
    await buffer.view(0, 2).release();
    await buffer.fill(1);
    expect(buffer.array[0]).toBe(1);
  });

  test('can be left to the end of a block', async () => {
    const buffer = FlatBuffer.alloc(4);
    await buffer[Symbol.asyncDispose]();
    expect(buffer.released).toBe(true);
  });
});

describe('pointers', () => {
  test('memory by address is read and written in place', async () => {
    const owner = FlatBuffer.alloc(6);
    const { address } = nativeAddon().describe(owner.array);
    const buffer = fromPointer({ pointer: address, length: 6, owner });
    await buffer.view(2, 3).fill(5);
    expect([...owner.array]).toEqual([0, 0, 5, 5, 5, 0]);
    expect([...(await buffer.toFloat32Array())]).toEqual([...owner.array]);
    expect(overlaps(buffer, owner)).toBe(true);
    expect(codeOf(() => buffer.array)).toBe('SOUL_UNSUPPORTED');
    await buffer.release();
    expect(await rejectionOf(buffer.fill(1))).toBe('SOUL_RELEASED');
  });

  test.each([
    ['null', { pointer: 0n, length: 1 }],
    ['misaligned', { pointer: 4097n, length: 1 }],
    ['past the end of the address space', { pointer: 2n ** 64n - 8n, length: 3 }],
    ['negative', { pointer: -8n, length: 1 }],
    ['not a bigint', { pointer: anything(4096), length: 1 }],
    ['of a negative length', { pointer: 4096n, length: -1 }],
    ['of a fractional length', { pointer: 4096n, length: 1.5 }],
  ])('a pointer that is %s is refused', (_, options) => {
    expect(codeOf(() => fromPointer(options))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('their address can be asked for', () => {
    const owner = FlatBuffer.from(new Float32Array(6));
    const { address } = nativeAddon().describe(owner.array);
    expect(pointerOf(owner)).toBe(address);
    expect(pointerOf(owner.view(2))).toBe(address + 8n);
    expect(pointerOf(fromPointer({ pointer: address, length: 6, owner }))).toBe(address);
    owner.release();
    expect(codeOf(() => pointerOf(owner))).toBe('SOUL_RELEASED');
    expect(codeOf(() => pointerOf(anything({})))).toBe('SOUL_INVALID_ARGUMENT');
  });
});

describe('wrong arguments', () => {
  test('options that there are not are refused with a hint', () => {
    const { address } = nativeAddon().describe(FlatBuffer.alloc(4).array);
    const pointer = { pointer: address, length: 4 };
    expect(() => FlatBuffer.alloc(4, anything({ dType: 'bf16' }))).toThrow(/did you mean dtype\?/);
    expect(() => FlatBuffer.from(new Float32Array(4), anything({ divice: 'cpu' }))).toThrow(/did you mean device\?/);
    expect(() => fromPointer(anything({ ...pointer, data_type: 'f32' }))).toThrow(/no option data_type/);
    expect(() => fromPointer(anything({ ...pointer, ownr: {} }))).toThrow(/did you mean owner\?/);
    for (const options of [null, [], 'bf16', 4]) {
      expect(codeOf(() => FlatBuffer.alloc(4, anything(options)))).toBe('SOUL_INVALID_ARGUMENT');
      expect(codeOf(() => FlatBuffer.from(new Float32Array(4), anything(options)))).toBe('SOUL_INVALID_ARGUMENT');
      expect(codeOf(() => fromPointer(anything(options)))).toBe('SOUL_INVALID_ARGUMENT');
    }
  });

  test('dtypes and devices that there are not', () => {
    expect(codeOf(() => FlatBuffer.alloc(1, { dtype: 'f16' }))).toBe('SOUL_UNSUPPORTED');
    expect(codeOf(() => FlatBuffer.alloc(1, { dtype: anything('f64') }))).toBe('SOUL_INVALID_ARGUMENT');
    for (const device of ['tpu', 'CUDA', 'cuda:', 'cuda:-1', 'cuda:01', 'cuda:1e1', 'cuda:99999', 'cuda 0', 0, null]) {
      expect(codeOf(() => FlatBuffer.alloc(1, { device: anything(device) }))).toBe('SOUL_INVALID_ARGUMENT');
      expect(codeOf(() => fromPointer({ pointer: 4096n, length: 1, device: anything(device) }))).toBe(
        'SOUL_INVALID_ARGUMENT',
      );
    }
    for (const device of ['cuda', 'cuda:0', 'cuda:63'] as const) {
      expect(() => FlatBuffer.from(new Float32Array(4), { device })).toThrow(/use FlatBuffer.alloc.*copyFrom/);
    }
  });

  test('streams', async () => {
    const stream = 0n;
    for (const device of ['cpu', 'cuda:x', undefined]) {
      expect(await rejectionOf(useStream({ device: anything(device), stream }))).toBe('SOUL_INVALID_ARGUMENT');
    }
    for (const wrong of [-1n, 2n ** 64n, 0, undefined]) {
      expect(await rejectionOf(useStream({ device: 'cuda:0', stream: anything(wrong) }))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await rejectionOf(useStream(anything({ device: 'cuda:0', steam: 0n })))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('lengths', () => {
    for (const length of [-1, 1.5, Number.NaN, 2 ** 60, anything('5'), anything(5n), anything(undefined)]) {
      expect(codeOf(() => FlatBuffer.alloc(length))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(codeOf(() => FlatBuffer.alloc(2 ** 48))).toBe('SOUL_OUT_OF_MEMORY');
  });

  test('arrays of other types', () => {
    const frozen = new Float32Array(4);
    Object.freeze(frozen.buffer);
    for (const array of [frozen, new Float64Array(1), [1], null, undefined, 'x', new ArrayBuffer(4)]) {
      expect(codeOf(() => FlatBuffer.from(anything(array)))).toBe('SOUL_INVALID_ARGUMENT');
    }
  });

  test('views outside the buffer', () => {
    const buffer = FlatBuffer.alloc(4);
    for (const [start, length] of [
      [5, 0],
      [-1, 1],
      [0, 5],
      [3, 2],
      [0.5, 1],
      [0, -1],
      [Number.NaN, 1],
    ] as const) {
      expect(codeOf(() => buffer.view(start, length))).toBe('SOUL_INVALID_ARGUMENT');
    }
  });

  test('sources and targets', async () => {
    const buffer = FlatBuffer.alloc(4);
    for (const other of [FlatBuffer.alloc(3), new Float32Array(5), new BigInt64Array(4), [1, 2, 3, 4], null, 'abcd']) {
      expect(await rejectionOf(buffer.copyFrom(anything(other)))).toBe('SOUL_INVALID_ARGUMENT');
      expect(await rejectionOf(buffer.copyTo(anything(other)))).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await rejectionOf(buffer.fill(anything('1')))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('what only looks like a buffer, or has lost its memory', async () => {
    const gone = new Float32Array(4);
    structuredClone(0, { transfer: [gone.buffer] });
    const empty = FlatBuffer.alloc(0);
    expect(await rejectionOf(empty.copyFrom(gone))).toBe('SOUL_DETACHED');
    expect(await rejectionOf(empty.copyTo(gone))).toBe('SOUL_DETACHED');
    const hollow = Object.create(FlatBuffer.prototype) as FlatBuffer;
    expect(await rejectionOf(empty.copyFrom(hollow))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => overlaps(empty, hollow))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => empty.view(0, anything(null)))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('a copy that JavaScript cannot hold', async () => {
    const huge = fromPointer({ pointer: 4096n, length: 2 ** 48 });
    expect(await rejectionOf(huge.toFloat32Array())).toBe('SOUL_OUT_OF_MEMORY');
  });

  test('the zero length is a length', async () => {
    const buffer = FlatBuffer.alloc(0);
    await buffer.fill(1);
    await buffer.copyFrom(FlatBuffer.from(new Float32Array(0)));
    expect(await buffer.toFloat32Array()).toHaveLength(0);
  });
});
