/**
 * What arrays and their buffers really are: a subclass may override `buffer`, `length` and the like, but not the getters
 * of the language.
 *
 * @module
 */

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const arrayLength = getter<number>(typedArray, 'length')!;
const arrayByteOffset = getter<number>(typedArray, 'byteOffset')!;
const arrayBuffer = getter<ArrayBufferLike>(typedArray, 'buffer')!;
const resizable = getter<boolean>(ArrayBuffer.prototype, 'resizable');
const growable = getter<boolean>(SharedArrayBuffer.prototype, 'growable');
const bufferDetached = getter<boolean>(ArrayBuffer.prototype, 'detached');

/** The getter of a prototype; undefined where this version of the language lacks it. */
function getter<Value>(prototype: object, name: string): ((of: object) => Value) | undefined {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  return get && ((of) => Reflect.apply(get, of, []) as Value);
}

/** Number of elements; 0 of an array whose memory is gone. */
export function lengthOf(array: ArrayBufferView): number {
  return arrayLength(array);
}

/** Bytes in the buffer before the first element. */
export function byteOffsetOf(array: ArrayBufferView): number {
  return arrayByteOffset(array);
}

export function bufferOf(array: ArrayBufferView): ArrayBufferLike {
  return arrayBuffer(array);
}

/** Whether a buffer can change its length. */
export function isResizable(buffer: ArrayBufferLike, shared: boolean): boolean {
  return (shared ? growable : resizable)?.(buffer) ?? false;
}

/** Whether a buffer's memory was taken away. */
export function isDetached(buffer: ArrayBuffer): boolean {
  if (bufferDetached !== undefined) return bufferDetached(buffer);
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}
