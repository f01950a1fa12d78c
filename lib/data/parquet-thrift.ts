/**
 * Thrift's compact protocol, in which a Parquet file describes itself: read with bounds, so that no count in it is taken on trust.
 *
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 * @module
 */

/** Integers as numbers: what is above 2^53 is only compared. */
export type ThriftValue = boolean | number | Uint8Array | ThriftValue[] | ThriftStruct;

/** Fields by their numbers. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

/** Deeper than any structure of the format. */
const deepest = 24;

const [isTrue, isFalse, byte, short, integer, long, double, binary, list, struct] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12];

/** What is wrong with the description that a file has of itself. */
export class ThriftError extends Error {}

/**
 * Reads one structure. Where it succeeds, every list in it has as many elements as it says, so that whatever reads it again allocates
 * no more than a multiple of the bytes.
 *
 * @returns the structure, and the offset behind it
 * @throws ThriftError
 */
export function readThrift(bytes: Uint8Array, offset: number): { value: ThriftStruct; end: number } {
  const reader = new ThriftReader(bytes, offset);
  const value = reader.struct(0);
  return { value, end: reader.offset };
}

class ThriftReader {
  offset: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
  }

  struct(depth: number): ThriftStruct {
    if (depth > deepest) throw new ThriftError('is nested too deeply');
    const fields = new Map<number, ThriftValue>();
    let id = 0;
    for (;;) {
      const header = this.#byte();
      const type = header & 0x0f;
      if (type === 0) return fields;
      id = header >> 4 === 0 ? this.#zigzag(5) : id + (header >> 4);
      fields.set(id, this.#element(type, depth));
    }
  }

  #element(type: number, depth: number): ThriftValue {
    switch (type) {
      case isTrue:
        return true;
      case isFalse:
        return false;
      case byte:
        return (this.#byte() << 24) >> 24;
      case short:
      case integer:
        return this.#zigzag(5);
      case long:
        return this.#zigzag(10);
      case double: {
        const at = this.#take(8);
        return this.#view.getFloat64(at, true);
      }
      case binary: {
        const length = this.#length();
        const at = this.#take(length);
        return this.#bytes.subarray(at, at + length);
      }
      case list:
        return this.#list(depth + 1);
      case struct:
        return this.struct(depth + 1);
      default:
        throw new ThriftError(`holds a value of the unknown type ${type}`);
    }
  }

  #list(depth: number): ThriftValue[] {
    if (depth > deepest) throw new ThriftError('is nested too deeply');
    const header = this.#byte();
    const length = header >> 4 === 15 ? this.#length() : header >> 4;
    const type = header & 0x0f;
    // An element takes a byte at least.
    if (length > this.#bytes.length - this.offset) throw new ThriftError('claims a longer list than it has bytes');
    const values: ThriftValue[] = [];
    for (let i = 0; i < length; i++) {
      values.push(type === isTrue || type === isFalse ? this.#byte() === 1 : this.#element(type, depth));
    }
    return values;
  }

  #length(): number {
    const length = this.#variable(5);
    if (length > 0x7fffffff) throw new ThriftError('claims a length below 0');
    return length;
  }

  #zigzag(longest: number): number {
    const value = this.#variable(longest);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** An unsigned integer of 7 bits a byte: of 32 bits in 5 bytes, of 64 in 10. */
  #variable(longest: number): number {
    let value = 0;
    for (let i = 0; i < longest; i++) {
      const next = this.#byte();
      value += (next & 0x7f) * 2 ** (7 * i);
      if (next < 0x80) {
        if (longest === 5 && value > 0xffffffff) break;
        return value;
      }
    }
    throw new ThriftError('holds an integer of too many bits');
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #take(count: number): number {
    const at = this.offset;
    if (count > this.#bytes.length - at) throw new ThriftError('ends in the middle of a value');
    this.offset = at + count;
    return at;
  }
}
