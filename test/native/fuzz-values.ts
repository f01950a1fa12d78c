/**
 * What the fuzz test draws: memory that would do, and values of every kind to put in the place of what would do.
 */

import { type NativeExternal, nativeAddon } from '../../lib/core/addon.ts';
import { type Device, ordinalOf } from '../../lib/core/devices.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { RandomStream } from '../../lib/core/random.ts';

export type Call = (...words: never[]) => unknown;

/** A function and arguments for it that would do. */
export interface Target {
  name: string;
  /** The function; a method is one of a new object. */
  call: (random: Draw) => Call;
  words: (random: Draw) => unknown[];
}

export type Floating = 'f32' | 'bf16';

export const rows = 3;
export const vocabulary = 7;
export const length = rows * vocabulary;
export const maskBytes = (count: number) => Math.ceil(count / 8);

/** The draws of one call, in their order. */
export class Draw {
  /** Where the call's memory lies, most of the time. */
  readonly place: Device;
  readonly #stream: RandomStream;
  readonly #step: number;
  #index = 0;

  constructor(stream: RandomStream, step: number, places: readonly Device[] = ['cpu']) {
    this.#stream = stream;
    this.#step = step;
    this.place = this.of(places);
  }

  /** Now and then not on the device where all else is. */
  memoryPlace(): Device {
    return this.integer(50) === 0 ? 'cpu' : this.place;
  }

  integer(limit: number): number {
    return this.#stream.integer(limit, this.#step, this.#index++);
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.integer(values.length)]!;
  }
}

/** The words with up to three of them, or of their fields, replaced, left out or added to. */
export function spoiled(words: unknown[], random: Draw): unknown[] {
  const result = [...words];
  for (let left = random.integer(4); left > 0; left--) {
    const at = random.integer(result.length + 1);
    const word = result[at];
    if (isPlain(word) && random.integer(4) > 0) {
      const copy: Record<string, unknown> = { ...word };
      const names = [...Object.keys(copy), 'learning_rate', 'extra'];
      const name = random.of(names);
      if (random.integer(4) === 0) delete copy[name];
      else copy[name] = anything(random);
      result[at] = copy;
    } else if (random.integer(8) === 0) {
      result.length = Math.min(at, result.length);
    } else {
      result[at] = anything(random);
    }
  }
  return result;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function anything(random: Draw): unknown {
  return random.of(values)(random);
}

const resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
const numbers = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  7,
  21,
  0.5,
  1.5,
  1e-40,
  1e300,
  -1e300,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 60,
  NaN,
  Infinity,
  -Infinity,
];

/** Values of every kind, fitting or not. */
const values: readonly ((random: Draw) => unknown)[] = [
  () => undefined,
  () => null,
  (random) => random.of(numbers),
  (random) => random.of(numbers),
  (random) => random.of([0n, 1n, -1n, 3n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 70n)]),
  (random) => random.of(['', 'f32', 'cuda:0', 'exp', 'skip', 'learningRate', 'x'.repeat(1000)]),
  (random) => random.of([true, false]),
  () => Symbol('symbol'),
  () => Object.create(FlatBuffer.prototype),
  () => frozen(new Float32Array(length)),
  () => () => 1,
  () => ({}),
  () => [],
  () => [1, 2],
  () => [0, NaN],
  () => new Date(0),
  () => new Map(),
  () => Object.create(null),
  (random) => new Float32Array(random.of([0, 1, rows, length, 100])),
  (random) => new Float32Array(new ArrayBuffer(4 * length + 8), 4, random.of([length, length + 1, 2])),
  (random) => new Float32Array(new SharedArrayBuffer(4 * random.of([0, rows, length]))),
  () => new Float32Array(new resizable(4 * length, { maxByteLength: 8 * length })),
  () => Float32Array.from({ length }, (_, i) => [NaN, Infinity, -Infinity, 1e-40, 3e38][i % 5]!),
  () => detached(new Float32Array(length)),
  () => detached(new Int32Array(rows)),
  (random) => new Float64Array(random.of([0, 6, 7, 10, length])),
  () => Float64Array.of(0, length, 1, NaN, 1, 3, 5, 1, 0, 1),
  () => Float64Array.of(-1, 5, NaN, 2 ** 60, 0),
  () => new Float64Array(7).fill(NaN),
  () => new Float64Array(7).fill(1e300),
  (random) => Int32Array.from({ length: rows }, () => random.of([-1, 0, vocabulary, 2 ** 31 - 1])),
  () => new Uint8Array(rows),
  () => new Uint16Array(length).fill(0x3f80),
  () => ({ rounding: 'stochastic', seed: 3n }),
  () => new BigInt64Array(rows),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(4 * length),
  () => nativeAddon().interface,
  () => external('f32', length),
  () => nativeAddon().view(external('f32', length), 1, rows),
  (random) => FlatBuffer.alloc(random.of([0, rows, length])),
  () => released(),
  () => robbed(),
  () => FlatBuffer.alloc(length).view(1, length - 1),
  (random) => FlatBuffer.alloc(random.of([0, length]), { dtype: random.of(['bf16', 'u8']) }),
  () => FlatBuffer.alloc(maskBytes(length), { dtype: 'u8' }),
  (random) => FlatBuffer.alloc(random.of([0, rows, length]), { device: random.place }),
  (random) => released(random.place),
  (random) => memory(random),
  (random) => random.of(['cuda', 'cuda:0', 'cuda:1', 'cuda:9', 'cpu']),
];

function detached<Array extends Float32Array | Int32Array>(array: Array): Array {
  structuredClone(0, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

function frozen(array: Float32Array): Float32Array {
  Object.freeze(array.buffer);
  return array;
}

/** A buffer whose memory a byte stream has taken. */
function robbed(): FlatBuffer {
  const array = new Float32Array(length);
  const buffer = FlatBuffer.from(array);
  new ReadableStream({ type: 'bytes', start: (controller) => controller.enqueue(new Uint8Array(array.buffer)) });
  return buffer;
}

function released(device: Device = 'cpu'): FlatBuffer {
  const buffer = FlatBuffer.alloc(length, { device });
  buffer.release();
  return buffer;
}

// Memory that the externals below point to, alive to the end.
const foreign = new Float32Array(new SharedArrayBuffer(4 * length));
const elementBytes = { f32: 4, bf16: 2, u8: 1 } as const;

/** Address of an element of memory that stays; there are at least `length` elements of any dtype from the second on. */
export function foreignAddress(dtype: Floating | 'u8', element = 0): bigint {
  return nativeAddon().describe(foreign).address + BigInt(element * elementBytes[dtype]);
}

export function external(dtype: Floating | 'u8', count: number) {
  // Of narrow elements not from the start, so that they aren't aligned to more than themselves.
  return nativeAddon().fromPointer(foreignAddress(dtype, dtype === 'f32' ? 0 : 1), count, dtype, -1);
}

/** An array that ends where its memory ends, which a sanitizer watches; of `bf16` and `u8` at any of some starts. */
function arrayOf(random: Draw, dtype: Floating | 'u8', count: number) {
  if (dtype === 'f32') return new Float32Array(count).fill(random.of([0, 1, -2]));
  const skew = random.integer(3);
  if (dtype === 'bf16') {
    return new Uint16Array(new ArrayBuffer(2 * (count + skew)), 2 * skew).fill(random.of([0, 0x3f80, 0xc000, 0x7fff]));
  }
  return new Uint8Array(new ArrayBuffer(count + skew), skew).map(() => random.integer(256));
}

/** Memory of a device, at any of some starts. */
export function deviceMemory(random: Draw, place: Device, count: number, dtype: Floating | 'u8'): NativeExternal {
  const skew = random.integer(3);
  const whole = nativeAddon().allocDevice(ordinalOf(place), count + skew, dtype);
  void nativeAddon().fill(whole, random.of([0, 1]));
  return skew === 0 ? whole : nativeAddon().view(whole, skew, count);
}

export function memory(random: Draw, count = length, dtype: Floating | 'u8' = 'f32'): unknown {
  const place = random.memoryPlace();
  if (place !== 'cpu') return deviceMemory(random, place, count, dtype);
  return random.integer(4) === 0 && count <= length ? external(dtype, count) : arrayOf(random, dtype, count);
}

export function dtypeOf(random: Draw): Floating {
  return random.of(['f32', 'bf16'] as const);
}

/** A buffer of its own memory, or of an array's. */
export function flatBuffer(random: Draw, dtype: Floating | 'u8', count = length): FlatBuffer {
  const array = arrayOf(random, dtype, count);
  const device = random.memoryPlace();
  if (device !== 'cpu') {
    const buffer = FlatBuffer.alloc(count + 1, { dtype, device }).view(random.integer(2), count);
    void buffer.copyFrom(FlatBuffer.from(array as Float32Array) as FlatBuffer);
    return buffer;
  }
  if (random.integer(2) === 0) return FlatBuffer.from(array as Float32Array);
  const buffer = FlatBuffer.alloc(count, { dtype });
  buffer.array.set(array);
  return buffer;
}
