import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/index.ts';
import { codeOf, rejectionOf } from './failures.ts';

// Node has it, but its types come with the browser's.
const webAssembly = Reflect.get(globalThis, 'WebAssembly') as {
  Memory: new (options: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
};

describe('memory that JavaScript might take away', () => {
  test('a wrapped ArrayBuffer cannot be transferred by any ordinary way', () => {
    const array = new Float32Array(4);
    const buffer = FlatBuffer.from(array);
    const pinned = array.buffer as ArrayBuffer & Record<'transfer' | 'transferToFixedLength', () => void>;
    expect(codeOf(() => pinned.transfer())).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => pinned.transferToFixedLength())).toBe('SOUL_INVALID_ARGUMENT');
    try {
      structuredClone(array, { transfer: [array.buffer] });
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    const { port1 } = new MessageChannel();
    try {
      port1.postMessage(array, [array.buffer]);
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    port1.close();
    expect(buffer.array.length).toBe(4);
  });

  test('resizable memory is refused', () => {
    const resizable = new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(16, {
      maxByteLength: 32,
    });
    expect(codeOf(() => FlatBuffer.from(new Float32Array(resizable)))).toBe('SOUL_INVALID_ARGUMENT');
    const growable = new (SharedArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(16, {
      maxByteLength: 32,
    });
    expect(codeOf(() => FlatBuffer.from(new Float32Array(growable)))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('detached memory is refused, before and after it is wrapped', async () => {
    const detached = new Float32Array(4);
    structuredClone(0, { transfer: [detached.buffer] });
    expect(codeOf(() => FlatBuffer.from(detached))).toBe('SOUL_DETACHED');

    const transfer = (ArrayBuffer.prototype as { transfer?: (this: ArrayBufferLike) => void }).transfer;
    const wasm = new webAssembly.Memory({ initial: 1 });
    const array = new Float32Array(wasm.buffer);
    const buffer = FlatBuffer.from(array);
    wasm.grow(1);
    expect(array.length).toBe(0);
    expect(await rejectionOf(buffer.fill(1))).toBe('SOUL_DETACHED');
    expect(codeOf(() => buffer.array)).toBe('SOUL_DETACHED');
    expect(codeOf(() => buffer.view(0))).toBe('SOUL_DETACHED');
    for (const length of transfer ? [4, 0] : []) {
      const other = FlatBuffer.from(new Float32Array(length));
      transfer?.call(other.array.buffer);
      expect(await rejectionOf(other.fill(1))).toBe('SOUL_DETACHED');
      expect(codeOf(() => other.view(0))).toBe('SOUL_DETACHED');
    }
  });

  test('an array of length 0 that lost its memory is told, too', async () => {
    const wasm = new webAssembly.Memory({ initial: 1 });
    const buffer = FlatBuffer.from(new Float32Array(wasm.buffer, 0, 0));
    await buffer.view(0).fill(1);
    wasm.grow(1);
    expect(codeOf(() => buffer.view(0))).toBe('SOUL_DETACHED');
    expect(await rejectionOf(buffer.fill(1))).toBe('SOUL_DETACHED');
  });
});

describe('arrays of a subclass', () => {
  /** Says of itself whatever it is told to. */
  class Pretender extends Float32Array {
    static get [Symbol.species](): never {
      throw new Error('asked for a species');
    }
    override get buffer(): ArrayBuffer {
      return new ArrayBuffer(64);
    }
    override get byteOffset(): number {
      return 12;
    }
    override get length(): number {
      return 1000;
    }
  }
  const resizableBuffer = (Kind: unknown) =>
    new (Kind as new (bytes: number, options: object) => ArrayBuffer)(16, { maxByteLength: 32 });

  test('are taken for what they are: views and lengths', async () => {
    const plain = Float32Array.of(0, 1, 2, 3, 4, 5);
    const buffer = FlatBuffer.from(new Pretender(plain.buffer, 4, 4));
    expect(buffer.length).toBe(4);
    const view = buffer.view(1, 2);
    await view.fill(9);
    await buffer.view(0, 1).copyFrom(Float64Array.of(7));
    expect([...plain]).toEqual([0, 7, 9, 9, 4, 5]);
    expect(view.array.buffer).toBe(plain.buffer);
    expect(codeOf(() => buffer.view(0, 5))).toBe('SOUL_INVALID_ARGUMENT');
    expect(codeOf(() => (plain.buffer as ArrayBuffer & { transfer(): void }).transfer())).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('cannot hide memory that can change', async () => {
    for (const Kind of [ArrayBuffer, SharedArrayBuffer]) {
      const hidden = resizableBuffer(Kind);
      Object.defineProperties(hidden, { resizable: { value: false }, growable: { value: false } });
      for (const array of [new Pretender(hidden), new Float32Array(hidden)]) {
        expect(codeOf(() => FlatBuffer.from(array))).toBe('SOUL_INVALID_ARGUMENT');
      }
    }
    const gone = new Pretender(4);
    const memory = Reflect.get(Object.getPrototypeOf(Float32Array.prototype), 'buffer', gone) as ArrayBuffer;
    structuredClone(0, { transfer: [memory] });
    expect(codeOf(() => FlatBuffer.from(gone))).toBe('SOUL_DETACHED');
  });

  test('as sources and targets have the length that they have', async () => {
    const four = new Pretender(Float32Array.of(1, 2, 3, 4).buffer);
    const buffer = FlatBuffer.alloc(4);
    await buffer.copyFrom(four);
    expect([...buffer.array]).toEqual([1, 2, 3, 4]);
    await buffer.fill(5);
    await buffer.copyTo(four);
    expect(four[3]).toBe(5);
    for (const dtype of ['f32', 'u8'] as const) {
      const long = FlatBuffer.alloc(1000, { dtype });
      expect(await rejectionOf(long.copyFrom(four))).toBe('SOUL_INVALID_ARGUMENT');
      expect(await rejectionOf(long.copyTo(four))).toBe('SOUL_INVALID_ARGUMENT');
    }
    const bytes = FlatBuffer.alloc(4, { dtype: 'u8' });
    await bytes.copyFrom(four);
    expect([...bytes.array]).toEqual([5, 5, 5, 5]);
  });
});

describe('byte streams', () => {
  test('take memory away; the next call says so', async () => {
    const enqueued = FlatBuffer.from(new Float32Array(4));
    new ReadableStream({
      type: 'bytes',
      start: (controller) => controller.enqueue(new Uint8Array(enqueued.array.buffer as ArrayBuffer)),
    });
    expect(await rejectionOf(enqueued.fill(1))).toBe('SOUL_DETACHED');
  });
});
