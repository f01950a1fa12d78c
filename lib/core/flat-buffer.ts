/**
 * Flat memory that JavaScript and native threads share.
 *
 * @module
 */

import { types } from 'node:util';
import { markAsUntransferable } from 'node:worker_threads';
import { type NativeExternal, type NativeMemory, nativeAddon } from './addon.ts';
import { allocate, allocateFloats } from './allocate.ts';
import { invalidArgument, SoulError } from './errors.ts';

/** Element types that a buffer can have; `bf16` and `f16` are named for what is to come and refused today. */
export type DType = 'f32' | 'bf16' | 'f16';

/** Where a buffer's memory lies; `cuda:N` is named for what is to come and refused today. */
export type Device = 'cpu' | `cuda:${number}`;

export interface FlatBufferOptions {
  /** Default `'f32'`. */
  dtype?: DType;
  /** Default `'cpu'`. */
  device?: Device;
}

/** Numbers that `copyFrom` takes from and `copyTo` gives to JavaScript. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** What a buffer and its views stand on. */
interface Storage {
  readonly memory: NativeMemory;
  /** Address of an array that could be detached, checked before every call; undefined where it cannot be. */
  readonly address: bigint | undefined;
}

/** Keeps what owns foreign memory alive while a handle to it lives, in a running job too. */
const owners = new WeakMap<NativeExternal, unknown>();

let hasStorage: (value: object) => boolean;
let memoryOf: (buffer: FlatBuffer, argument: string) => NativeMemory;
let adopt: (memory: NativeMemory, length: number, dtype: DType, device: Device, owner: unknown) => FlatBuffer;

/**
 * Contiguous one-dimensional memory of one dtype on one device.
 *
 * Methods that touch the memory run on a thread of their own, in the order of the calls, awaited or not; their promises
 * resolve when it is done. After `release` every use throws SOUL_RELEASED.
 *
 * @example
 * const values = FlatBuffer.from(new Float32Array([1, 2, 3]));
 * await values.fill(0.5);
 * values.array; // Float32Array [0.5, 0.5, 0.5]
 */
export class FlatBuffer {
  /** Number of elements. */
  readonly length: number;
  readonly dtype: DType;
  readonly device: Device;
  #storage: Storage | undefined;
  readonly #parent: FlatBuffer | undefined;

  static {
    hasStorage = (value) => #storage in value;
    memoryOf = (buffer, argument) => buffer.#check(argument).memory;
    adopt = (memory, length, dtype, device, owner) => {
      if (!isArray(memory)) owners.set(memory, owner);
      return new FlatBuffer({ memory, address: undefined }, length, dtype, device, undefined);
    };
  }

  private constructor(storage: Storage, length: number, dtype: DType, device: Device, parent: FlatBuffer | undefined) {
    this.#storage = storage;
    this.#parent = parent;
    this.length = length;
    this.dtype = dtype;
    this.device = device;
  }

  /**
   * New memory, zeroed. It stands on a SharedArrayBuffer: nothing can detach it, and workers can be given it.
   *
   * @param length number of elements, 0 or more
   * @throws SoulError SOUL_OUT_OF_MEMORY when there isn't enough memory, SOUL_UNSUPPORTED for a dtype or device that
   *   this version lacks
   */
  static alloc(length: number, options: FlatBufferOptions = {}): FlatBuffer {
    checkLength(length, 'length');
    const { dtype, device } = checkKind(options);
    const bytes = length * Float32Array.BYTES_PER_ELEMENT;
    const array = allocate(bytes, () => new Float32Array(new SharedArrayBuffer(bytes)));
    return new FlatBuffer({ memory: array, address: undefined }, length, dtype, device, undefined);
  }

  /**
   * Wraps an array without copying it.
   *
   * Native threads will use its memory, so an ordinary ArrayBuffer is pinned: it is marked untransferable, and its
   * `transfer` and `transferToFixedLength` throw from now on. {@link FlatBuffer.alloc} needs none of this, and is what
   * to use where there is a choice.
   *
   * Memory that is taken away nevertheless is noticed before the next call (SOUL_DETACHED), but work that is pending
   * then breaks the process. The ways there are: `ArrayBuffer.prototype.transfer.call(...)`; byte streams, which detach
   * what they are given from inside Node (a read of a BYOB reader into it, `enqueue` of a
   * `ReadableByteStreamController`); a WebAssembly.Memory that grows; and `fromPointer` with a wrong pointer.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT for anything but a Float32Array, and for one that stands on a resizable
   *   ArrayBuffer, a growable SharedArrayBuffer or a frozen ArrayBuffer; SOUL_DETACHED for a detached one
   */
  static from(array: Float32Array): FlatBuffer {
    if (!types.isFloat32Array(array)) throw invalidArgument('array', 'a Float32Array', array);
    const buffer = array.buffer as ArrayBufferLike & { resizable?: boolean; growable?: boolean; detached?: boolean };
    if (buffer.resizable || buffer.growable) {
      throw invalidArgument('array', 'on a buffer of fixed length', `on a resizable ${tagOf(buffer)}`);
    }
    if (types.isSharedArrayBuffer(buffer)) {
      return new FlatBuffer({ memory: array, address: undefined }, array.length, 'f32', 'cpu', undefined);
    }
    if (isDetached(buffer)) throw detached('array');
    pin(buffer as ArrayBuffer);
    const { address } = nativeAddon().describe(array);
    return new FlatBuffer({ memory: array, address }, array.length, 'f32', 'cpu', undefined);
  }

  /** Size in bytes. */
  get byteLength(): number {
    return this.length * Float32Array.BYTES_PER_ELEMENT;
  }

  /** True after `release` of this buffer or of one that it is a view of. */
  get released(): boolean {
    return this.#storage === undefined || (this.#parent?.released ?? false);
  }

  /**
   * The memory itself, for reading and writing from JavaScript. What pending work does to it shows when that is done.
   *
   * @throws SoulError SOUL_UNSUPPORTED for memory that came from a pointer, SOUL_RELEASED, SOUL_DETACHED
   */
  get array(): Float32Array {
    const { memory } = this.#check('buffer');
    if (isArray(memory)) return memory;
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      'memory that came from a pointer cannot be shown as an array; use toFloat32Array() or copyTo()',
    );
  }

  /**
   * A part of this buffer that shares its memory. Releasing this buffer releases its views.
   *
   * @param start first element, from 0 to `length`
   * @param length number of elements; by default all from `start`
   */
  view(start: number, length?: number): FlatBuffer {
    const { memory, address } = this.#check('buffer');
    if (!Number.isSafeInteger(start) || start < 0 || start > this.length) {
      throw invalidArgument('start', `an integer from 0 to ${this.length}`, start);
    }
    const count = length === undefined ? this.length - start : length;
    if (!Number.isSafeInteger(count) || count < 0 || count > this.length - start) {
      throw invalidArgument('length', `an integer from 0 to ${this.length - start}`, count);
    }
    let part: NativeMemory;
    if (isArray(memory)) {
      part = memory.subarray(start, start + count);
    } else {
      part = nativeAddon().view(memory, start, count);
      owners.set(part, owners.get(memory));
    }
    const partAddress = address === undefined ? undefined : nativeAddon().describe(part).address;
    return new FlatBuffer({ memory: part, address: partAddress }, count, this.dtype, this.device, this);
  }

  /**
   * Copies `source` here. A typed array is read at once, a buffer when its turn comes; the two may overlap.
   *
   * @param source of the same length; numbers are rounded to this buffer's dtype
   */
  async copyFrom(source: FlatBuffer | NumberArray): Promise<void> {
    const memory = nativeMemory(this, 'buffer');
    if (isFlatBuffer(source)) {
      checkSameLength('source', source.length, this.length);
      return nativeAddon().copy(memory, nativeMemory(source, 'source'));
    }
    checkNumberArray('source', source);
    checkSameLength('source', source.length, this.length);
    const copy = allocateFloats(this.length);
    setFrom(copy, source, 'source');
    return nativeAddon().copy(memory, copy);
  }

  /** Copies this buffer to `target`, which must have the same length; a typed array is written when it is done. */
  async copyTo(target: FlatBuffer | NumberArray): Promise<void> {
    if (isFlatBuffer(target)) return target.copyFrom(this);
    checkNumberArray('target', target);
    checkSameLength('target', target.length, this.length);
    const copy = await this.toFloat32Array();
    checkSameLength('target', target.length, this.length);
    setFrom(target, copy, 'target');
  }

  /** Sets every element to `value`, rounded to the dtype. */
  async fill(value: number): Promise<void> {
    if (typeof value !== 'number') throw invalidArgument('value', 'a number', value);
    return nativeAddon().fill(nativeMemory(this, 'buffer'), Math.fround(value));
  }

  /** A copy of the elements, taken when its turn comes. */
  async toFloat32Array(): Promise<Float32Array<ArrayBuffer>> {
    const memory = nativeMemory(this, 'buffer');
    const copy = allocateFloats(this.length);
    await nativeAddon().copy(copy, memory);
    return copy;
  }

  /**
   * Gives the memory up: every later use throws, work that was called before still runs. Harmless when done twice.
   *
   * @returns when all work that was called before is done
   */
  async release(): Promise<void> {
    if (this.#storage === undefined) return;
    this.#storage = undefined;
    await nativeAddon().fence();
  }

  #check(argument: string): Storage {
    const storage = this.#storage;
    if (storage === undefined || this.#parent?.released) {
      throw new SoulError('SOUL_RELEASED', `${argument} was released; make a new FlatBuffer`, { argument });
    }
    if (storage.address !== undefined) {
      const array = storage.memory as Float32Array;
      if (array.length !== this.length || nativeAddon().describe(array).address !== storage.address) {
        throw detached(argument);
      }
    }
    return storage;
  }
}

/** Whether a value is a FlatBuffer of this copy of the package. */
function isFlatBuffer(value: unknown): value is FlatBuffer {
  return typeof value === 'object' && value !== null && hasStorage(value);
}

/**
 * The memory of a buffer as native code takes it, checked; for the parts of the package that call native code.
 *
 * @param argument what the caller's documentation calls the buffer
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_RELEASED, SOUL_DETACHED
 */
export function nativeMemory(buffer: FlatBuffer, argument: string): NativeMemory {
  if (!isFlatBuffer(buffer)) throw invalidArgument(argument, 'a FlatBuffer', buffer);
  return memoryOf(buffer, argument);
}

/** A buffer on memory that something else owns; `soul-unlearn/unsafe` checks and documents it. */
export function adoptMemory(
  memory: NativeMemory,
  length: number,
  dtype: DType,
  device: Device,
  owner: unknown,
): FlatBuffer {
  return adopt(memory, length, dtype, device, owner);
}

/** Whether two buffers share an element. */
export function overlaps(first: FlatBuffer, second: FlatBuffer): boolean {
  const a = nativeAddon().describe(nativeMemory(first, 'first'));
  const b = nativeAddon().describe(nativeMemory(second, 'second'));
  return a.address < b.address + b.byteLength && b.address < a.address + a.byteLength;
}

/** A length of at least 0 whose bytes JavaScript can count. */
export function checkLength(length: number, argument: string): void {
  if (!Number.isSafeInteger(length) || length < 0 || length > 2 ** 50) {
    throw invalidArgument(argument, 'an integer from 0 to 2^50', length);
  }
}

/** Fills in defaults and refuses what this version lacks. */
export function checkKind(options: FlatBufferOptions): { dtype: DType; device: Device } {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', 'an object', options);
  const { dtype = 'f32', device = 'cpu' } = options;
  if (dtype === 'bf16' || dtype === 'f16') {
    throw new SoulError('SOUL_UNSUPPORTED', `dtype ${dtype} is not supported yet; use 'f32'`, { dtype });
  }
  if (dtype !== 'f32') throw invalidArgument('dtype', "'f32'", dtype);
  if (typeof device === 'string' && /^cuda:\d+$/.test(device)) {
    throw new SoulError('SOUL_UNSUPPORTED', `device ${device} is not supported yet; use 'cpu'`, { device });
  }
  if (device !== 'cpu') throw invalidArgument('device', "'cpu'", device);
  return { dtype, device };
}

function isArray(memory: NativeMemory): memory is Float32Array {
  return types.isFloat32Array(memory);
}

function isDetached(buffer: ArrayBufferLike & { detached?: boolean }): boolean {
  if (buffer.detached !== undefined) return buffer.detached;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Keeps JavaScript from taking the memory away from under native threads. */
function pin(buffer: ArrayBuffer): void {
  const names = ['transfer', 'transferToFixedLength'].filter((name) => !Object.hasOwn(buffer, name));
  if (names.length > 0 && !Object.isExtensible(buffer)) {
    throw invalidArgument('array', 'on an ArrayBuffer that can be pinned', 'on one that is frozen or sealed');
  }
  markAsUntransferable(buffer);
  for (const name of names) {
    Object.defineProperty(buffer, name, {
      value: () => {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `ArrayBuffer.${name}: a FlatBuffer uses this memory; copy it instead, for instance with slice()`,
        );
      },
    });
  }
}

function checkNumberArray(argument: string, value: unknown): void {
  const numbers = types.isTypedArray(value) && !types.isBigInt64Array(value) && !types.isBigUint64Array(value);
  if (!numbers) throw invalidArgument(argument, 'a FlatBuffer or a typed array of numbers', value);
}

function checkSameLength(argument: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${argument} must have length ${expected}, but has ${found}`, {
    argument,
    expected,
    found,
  });
}

/** `target.set(source)`; a length that was right fails only where an array has lost its memory. */
function setFrom(target: NumberArray, source: NumberArray, argument: string): void {
  try {
    target.set(source);
  } catch {
    throw detached(argument);
  }
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function detached(argument: string): SoulError {
  return new SoulError(
    'SOUL_DETACHED',
    `the memory behind ${argument} was detached or moved since it was wrapped; keep its ArrayBuffer where it is`,
    { argument },
  );
}
