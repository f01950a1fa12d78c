/**
 * Flat memory that JavaScript and native threads share.
 *
 * @module
 */

import { types } from 'node:util';
import { type NativeArray, type NativeExternal, type NativeMemory, nativeAddon } from './addon.ts';
import { allocate, allocateFloats, allocateShared } from './allocate.ts';
import { bufferOf, byteOffsetOf, isDetached, isResizable, lengthOf } from './array-intrinsics.ts';
import { checkInteger } from './checks.ts';
import { detached, pin } from './detachable.ts';
import { checkDevice, type Device, type DeviceName, ordinalOf } from './devices.ts';
import { invalidArgument, SoulError } from './errors.ts';
import { bytesOf, checkNumberArray, type NumberArray, setFrom } from './number-array.ts';
import { checkNames } from './option-names.ts';
import { checkOwn, ownKey } from './own-construction.ts';

export type { Device, DeviceName } from './devices.ts';

/**
 * Element types that a buffer can have: float32, bfloat16 (the upper half of a float32) and bytes, which masks are made
 * of. `f16` is named for what is to come and refused today.
 */
export type DType = 'f32' | 'bf16' | 'f16' | 'u8';

/** The array that holds elements of a dtype; of `bf16` it holds their bits. */
export type ArrayOf<Kind extends DType> = {
  f32: Float32Array;
  bf16: Uint16Array;
  f16: Uint16Array;
  u8: Uint8Array;
}[Kind];

export interface FlatBufferOptions<Kind extends DType = DType> {
  /** Default `'f32'`. */
  dtype?: Kind;
  /** Default `'cpu'`; `'cuda'` is `'cuda:0'`. */
  device?: DeviceName;
}

/** What a buffer and its views stand on. */
interface Storage {
  readonly memory: NativeMemory;
  /** Address of an array that could be detached, checked before every call; undefined where it cannot be. */
  readonly address: bigint | undefined;
  /** Memory of a device that `release` frees; not of a view, nor what somebody else owns. */
  readonly ownsDeviceMemory: boolean;
}

/** Names of {@link FlatBufferOptions}, for `checkNames`. */
export const kindNames = ['dtype', 'device'] as const satisfies readonly (keyof FlatBufferOptions)[];

const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, f16: 2, u8: 1 };

/** Keeps what owns the memory of a handle alive while the handle lives, in a running job too. */
const owners = new WeakMap<NativeExternal, unknown>();

let hasStorage: (value: object) => boolean;
let memoryOf: (buffer: FlatBuffer, argument: string) => NativeMemory;
let adopt: <Kind extends DType>(
  memory: NativeMemory,
  length: number,
  dtype: Kind,
  device: Device,
  owner: unknown,
) => FlatBuffer<Kind>;

/**
 * Contiguous one-dimensional memory of one dtype on one device. `FlatBuffer` alone is a buffer of any dtype.
 *
 * Methods that touch the memory run on a thread of their own, in the order of the calls, awaited or not; their promises
 * resolve when it is done. Short work, on at most 8192 elements, is done at once on the calling thread where nothing else
 * is pending. On a CUDA device a call is put on the device's stream and its promise resolves when the device has come past
 * it; no thread waits for it meanwhile. What is not awaited reads memory when its turn comes, and so sees what JavaScript writes to
 * `array` before that: await it first, or write to other memory. Buffers that meet in one call lie on one device; `copyFrom` and `copyTo` alone go from
 * one to another. After `release` every use throws SOUL_RELEASED.
 *
 * @example
 * const values = FlatBuffer.from(new Float32Array([1, 2, 3]));
 * await values.fill(0.5);
 * values.array; // Float32Array [0.5, 0.5, 0.5]
 */
export class FlatBuffer<Kind extends DType = DType> {
  /** Number of elements. */
  readonly length: number;
  readonly dtype: Kind;
  readonly device: Device;
  #storage: Storage | undefined;
  readonly #parent: FlatBuffer | undefined;

  static {
    hasStorage = (value) => #storage in value;
    memoryOf = (buffer, argument) => buffer.#check(argument).memory;
    adopt = (memory, length, dtype, device, owner) => {
      if (!isArray(memory)) owners.set(memory, owner);
      return new FlatBuffer(ownKey, unpinned(memory), length, dtype, device, undefined);
    };
  }

  private constructor(
    key: typeof ownKey,
    storage: Storage,
    length: number,
    dtype: Kind,
    device: Device,
    parent: FlatBuffer | undefined,
  ) {
    checkOwn(key, 'FlatBuffer', 'FlatBuffer.alloc or FlatBuffer.from');
    this.#storage = storage;
    this.#parent = parent;
    this.length = length;
    this.dtype = dtype;
    this.device = device;
  }

  /**
   * New memory, zeroed. On the CPU it stands on a part of a SharedArrayBuffer: nothing can detach it, and workers can be
   * given it. Memory of a CUDA device is there until `release`, or until garbage collection finds the buffer unused, which
   * knows nothing of what a device has left: release what you no longer need.
   *
   * @param length number of elements, 0 or more
   * @throws SoulError SOUL_OUT_OF_MEMORY when there isn't enough memory, SOUL_UNSUPPORTED for a dtype that this version lacks
   *   or a device that this machine lacks, with what was looked for
   */
  static alloc<Kind extends DType = 'f32'>(length: number, options: FlatBufferOptions<Kind> = {}): FlatBuffer<Kind> {
    checkLength(length, 'length');
    checkNames('options', options, kindNames);
    const { dtype, device } = checkKind(options);
    if (device !== 'cpu') {
      const memory = nativeAddon().allocDevice(ordinalOf(device), length, dtype as Exclude<Kind, 'f16'>);
      return new FlatBuffer(ownKey, { ...unpinned(memory), ownsDeviceMemory: true }, length, dtype, device, undefined);
    }
    const bytes = length * bytesPerElement[dtype];
    const array = allocateShared(bytes, (buffer, byteOffset) => arrayOn(buffer, byteOffset, length, dtype));
    return new FlatBuffer(ownKey, unpinned(array), length, dtype, device, undefined);
  }

  /**
   * Wraps an array without copying it: a Float32Array as `f32`, a Uint16Array as the bits of `bf16`, a Uint8Array as
   * `u8`.
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
   * @param options dtype and device may be said: the array's, and `'cpu'`
   * @throws SoulError SOUL_INVALID_ARGUMENT for anything but such an array, and for one that stands on a resizable
   *   ArrayBuffer, a growable SharedArrayBuffer or a frozen ArrayBuffer; SOUL_DETACHED for a detached one
   */
  static from(array: Float32Array, options?: FlatBufferOptions<'f32'>): FlatBuffer<'f32'>;
  static from(array: Uint16Array, options?: FlatBufferOptions<'bf16'>): FlatBuffer<'bf16'>;
  static from(array: Uint8Array, options?: FlatBufferOptions<'u8'>): FlatBuffer<'u8'>;
  static from(array: NativeArray, options: FlatBufferOptions = {}): FlatBuffer {
    const dtype = dtypeOf(array);
    if (dtype === undefined) throw invalidArgument('array', 'a Float32Array, Uint16Array or Uint8Array', array);
    checkNames('options', options, kindNames);
    const { device } = checkKind(options);
    if (device !== 'cpu') {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `device must be 'cpu' where an array is wrapped, but is ${device}; use FlatBuffer.alloc(length, { device }) and copyFrom(array)`,
        { argument: 'device', found: device },
      );
    }
    const { dtype: wanted = dtype } = options;
    if (wanted !== dtype) throw invalidArgument('dtype', `'${dtype}', the array's`, wanted);
    const buffer = bufferOf(array);
    const shared = types.isSharedArrayBuffer(buffer);
    if (isResizable(buffer, shared)) {
      throw invalidArgument('array', 'on a buffer of fixed length', `on a resizable ${tagOf(buffer)}`);
    }
    const length = lengthOf(array);
    if (shared) return new FlatBuffer(ownKey, unpinned(array), length, dtype, device, undefined);
    if (isDetached(buffer as ArrayBuffer)) throw detached('array');
    pin(buffer as ArrayBuffer);
    const { address } = nativeAddon().describe(array);
    return new FlatBuffer(ownKey, { ...unpinned(array), address }, length, dtype, device, undefined);
  }

  /** Size in bytes. */
  get byteLength(): number {
    return this.length * bytesPerElement[this.dtype];
  }

  /** True after `release` of this buffer or of one that it is a view of. */
  get released(): boolean {
    return this.#storage === undefined || (this.#parent?.released ?? false);
  }

  /**
   * The memory itself, for reading and writing from JavaScript; of `bf16` the bits. What pending work does to it shows
   * when that is done.
   *
   * @throws SoulError SOUL_UNSUPPORTED for memory of a CUDA device or that came from a pointer, SOUL_RELEASED, SOUL_DETACHED
   */
  get array(): ArrayOf<Kind> {
    const { memory } = this.#check('buffer');
    if (isArray(memory)) return memory as ArrayOf<Kind>;
    const what = this.device === 'cpu' ? 'memory that came from a pointer' : `memory of ${this.device}`;
    throw new SoulError('SOUL_UNSUPPORTED', `${what} cannot be shown as an array; use toFloat32Array() or copyTo()`);
  }

  /**
   * A part of this buffer that shares its memory. Releasing this buffer releases its views.
   *
   * @param start first element, from 0 to `length`
   * @param length number of elements; by default all from `start`
   */
  view(start: number, length?: number): FlatBuffer<Kind> {
    const { memory, address } = this.#check('buffer');
    checkInteger('start', start, { low: 0, high: this.length });
    const count = length === undefined ? this.length - start : length;
    checkInteger('length', count, { low: 0, high: this.length - start });
    let part: NativeMemory;
    if (isArray(memory)) {
      const byteOffset = byteOffsetOf(memory) + start * bytesPerElement[this.dtype];
      part = arrayOn(bufferOf(memory), byteOffset, count, this.dtype);
    } else {
      part = nativeAddon().view(memory, start, count);
      owners.set(part, memory);
    }
    const partAddress = address === undefined ? undefined : nativeAddon().describe(part).address;
    return new FlatBuffer(ownKey, { ...unpinned(part), address: partAddress }, count, this.dtype, this.device, this);
  }

  /**
   * Copies `source` here. A typed array is read at once, a buffer, on whatever device, when its turn comes.
   *
   * Numbers of JavaScript are rounded to float32, and from there to the nearest `bf16`; for `u8` they must be integers
   * from 0 to 255. A typed array holds numbers, so a Uint16Array is not taken for bits of `bf16`: wrap those with
   * {@link FlatBuffer.from}. A buffer of another floating dtype is rounded likewise and must be apart; one of the same
   * dtype may overlap.
   *
   * @param source of the same length
   * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_ALIASED, SOUL_RELEASED, SOUL_DETACHED
   */
  async copyFrom(source: FlatBuffer | NumberArray): Promise<void> {
    const memory = nativeMemory(this, 'buffer');
    if (isFlatBuffer(source)) {
      checkSameLength('source', source.length, this.length);
      const sourceMemory = nativeMemory(source, 'source');
      if (source.dtype === this.dtype) return nativeAddon().copy(memory, sourceMemory);
      if (this.dtype === 'u8' || source.dtype === 'u8') throw otherDtype('source', this.dtype, source.dtype);
      return nativeAddon().cast(sourceMemory, memory);
    }
    checkNumberArray('source', source);
    checkSameLength('source', lengthOf(source), this.length);
    if (this.dtype === 'u8') return nativeAddon().copy(memory, bytesOf(source, 'source'));
    const copy = allocateFloats(this.length);
    setFrom(copy, source, 'source');
    return nativeAddon().cast(copy, memory);
  }

  /**
   * Copies this buffer to `target`, which must have the same length; a typed array is written when it is done, with
   * numbers, whatever the dtypes.
   */
  async copyTo(target: FlatBuffer | NumberArray): Promise<void> {
    if (isFlatBuffer(target)) return target.copyFrom(this);
    checkNumberArray('target', target);
    checkSameLength('target', lengthOf(target), this.length);
    const copy = await this.toFloat32Array();
    checkSameLength('target', lengthOf(target), this.length);
    setFrom(target, copy, 'target');
  }

  /** Sets every element to `value`, rounded to the dtype as `copyFrom` rounds. */
  async fill(value: number): Promise<void> {
    if (typeof value !== 'number') throw invalidArgument('value', 'a number', value);
    return nativeAddon().fill(nativeMemory(this, 'buffer'), Math.fround(value));
  }

  /** A copy of the elements, taken when its turn comes; what `bf16` and `u8` hold float32 holds exactly. */
  async toFloat32Array(): Promise<Float32Array> {
    const memory = nativeMemory(this, 'buffer');
    const copy = allocateFloats(this.length);
    if (this.dtype !== 'u8') {
      await nativeAddon().cast(memory, copy);
      return copy;
    }
    const bytes = allocate(this.length, () => new Uint8Array(this.length));
    await nativeAddon().copy(bytes, memory);
    copy.set(bytes);
    return copy;
  }

  /**
   * Gives the memory up: every later use throws, work that was called before still runs. Harmless when done twice.
   *
   * @returns when all work that was called before is done
   */
  async release(): Promise<void> {
    const storage = this.#storage;
    if (storage === undefined) return;
    this.#storage = undefined;
    await (storage.ownsDeviceMemory
      ? nativeAddon().releaseDevice(storage.memory as NativeExternal)
      : nativeAddon().fence());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #check(argument: string): Storage {
    const storage = this.#storage;
    if (storage === undefined || this.#parent?.released) {
      throw new SoulError('SOUL_RELEASED', `${argument} was released; make a new FlatBuffer`, { argument });
    }
    if (storage.address !== undefined) {
      const array = storage.memory as NativeArray;
      // Nothing has no address that could tell.
      const gone = this.length === 0 && isDetached(bufferOf(array) as ArrayBuffer);
      if (gone || lengthOf(array) !== this.length || nativeAddon().describe(array).address !== storage.address) {
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
export function adoptMemory<Kind extends DType>(
  memory: NativeMemory,
  length: number,
  dtype: Kind,
  device: Device,
  owner: unknown,
): FlatBuffer<Kind> {
  return adopt(memory, length, dtype, device, owner);
}

/** Whether two buffers share an element. */
export function overlaps(first: FlatBuffer, second: FlatBuffer): boolean {
  const a = nativeAddon().describe(nativeMemory(first, 'first'));
  const b = nativeAddon().describe(nativeMemory(second, 'second'));
  if (first.device !== second.device) return false;
  return a.address < b.address + b.byteLength && b.address < a.address + a.byteLength;
}

/** Whether two buffers are the same elements: one object, or two on the same memory. */
export function isSameMemory(first: FlatBuffer, second: FlatBuffer): boolean {
  if (first === second) return true;
  if (first.device !== second.device || first.dtype !== second.dtype || first.length !== second.length) return false;
  const [a, b] = [first, second].map((buffer) => nativeAddon().describe(nativeMemory(buffer, 'buffer')));
  return a!.address === b!.address;
}

/** A length of at least 0 whose bytes JavaScript can count. */
export function checkLength(length: number, argument: string): void {
  if (!Number.isSafeInteger(length) || length < 0 || length > 2 ** 50) {
    throw invalidArgument(argument, 'an integer from 0 to 2^50', length);
  }
}

/** Fills in defaults, gives a device its full name, and refuses what this version lacks. */
export function checkKind<Kind extends DType>(options: FlatBufferOptions<Kind>): { dtype: Kind; device: Device } {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', 'an object', options);
  const { dtype = 'f32' as Kind, device } = options;
  if (dtype === 'f16') {
    throw new SoulError('SOUL_UNSUPPORTED', "dtype f16 is not supported yet; use 'bf16' or 'f32'", { dtype });
  }
  if (dtype !== 'f32' && dtype !== 'bf16' && dtype !== 'u8') {
    throw invalidArgument('dtype', "'f32', 'bf16' or 'u8'", dtype);
  }
  return { dtype, device: device === undefined ? 'cpu' : checkDevice('device', device) };
}

/** Memory that JavaScript cannot take away. */
function unpinned(memory: NativeMemory): Storage {
  return { memory, address: undefined, ownsDeviceMemory: false };
}

function isArray(memory: NativeMemory): memory is NativeArray {
  return types.isTypedArray(memory);
}

function dtypeOf(array: unknown): 'f32' | 'bf16' | 'u8' | undefined {
  if (types.isFloat32Array(array)) return 'f32';
  if (types.isUint16Array(array)) return 'bf16';
  return types.isUint8Array(array) ? 'u8' : undefined;
}

function arrayOn(buffer: ArrayBufferLike, byteOffset: number, length: number, dtype: DType): NativeArray {
  if (dtype === 'f32') return new Float32Array(buffer, byteOffset, length);
  return dtype === 'u8' ? new Uint8Array(buffer, byteOffset, length) : new Uint16Array(buffer, byteOffset, length);
}

/** A length that goes with another's. */
export function checkSameLength(argument: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${argument} must have length ${expected}, but has ${found}`, {
    argument,
    expected,
    found,
  });
}

/** The error for a buffer whose dtype does not go with another's. */
export function otherDtype(argument: string, expected: string, found: DType): SoulError {
  return new SoulError('SOUL_INVALID_ARGUMENT', `${argument} must be of dtype ${expected}, but is of ${found}`, {
    argument,
    expected,
    found,
  });
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
