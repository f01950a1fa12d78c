/**
 * Event files as TensorBoard reads them: records of TensorFlow's TFRecord format, each an `Event` message of tensorflow/core/util/event.proto
 * in the encoding of Protocol Buffers, of which scalars are all that is written here.
 *
 * @module
 */

import { appendFileSync, writeFileSync } from 'node:fs';

/** Fields of the messages, by the numbers that the .proto files give them. */
const eventField = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const summaryField = { value: 1 };
const valueField = { tag: 1, simpleValue: 2 };
const sessionLogField = { status: 1 };
const sessionStart = 1;

/** What of a Protocol Buffers field follows its number. */
const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

/** A file that grows by an event a call; each is whole on disk when the call returns. */
export class EventFile {
  readonly #path: string;

  /**
   * @param path must not be there yet; its name has to hold `tfevents`
   * @param firstStep events of earlier files of the folder from this step on are to be forgotten by their reader: this run makes them
   *   anew
   * @param seconds since 1970, as all times here
   */
  constructor(path: string, firstStep: number, seconds: number) {
    this.#path = path;
    const version = bytesField(eventField.fileVersion, Buffer.from('brain.Event:2'));
    writeFileSync(path, record(Buffer.concat([double(eventField.wallTime, seconds), version])), { flag: 'wx' });
    const start = bytesField(eventField.sessionLog, varintField(sessionLogField.status, sessionStart));
    this.#append(seconds, firstStep, start);
  }

  /** Adds a point to each curve; figures that are not finite go in as they are. */
  scalars(step: number, seconds: number, figures: Readonly<Record<string, number>>): void {
    const values = Object.entries(figures).map(([tag, value]) => {
      const own = Buffer.concat([bytesField(valueField.tag, Buffer.from(tag)), float(valueField.simpleValue, value)]);
      return bytesField(summaryField.value, own);
    });
    this.#append(seconds, step, bytesField(eventField.summary, Buffer.concat(values)));
  }

  #append(seconds: number, step: number, what: Buffer): void {
    const event = [double(eventField.wallTime, seconds), varintField(eventField.step, step), what];
    appendFileSync(this.#path, record(Buffer.concat(event)));
  }
}

/** Length, checksum of the length, data, checksum of the data. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** A CRC of data that holds a CRC is too regular, so TFRecord turns it by 15 bits and adds a constant. */
function maskedChecksum(data: Uint8Array): Buffer {
  const sum = crc32c(data);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

/** Castagnoli's polynomial, its bits reversed. */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ polynomial : sum >>> 1;
  return sum;
});

/** CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of data) sum = table[(sum ^ byte) & 0xff]! ^ (sum >>> 8);
  return ~sum >>> 0;
}

function key(field: number, type: number): Buffer {
  return varint(8 * field + type);
}

/** Seven bits a byte, the lowest first; the highest bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([key(field, wireType.varint), varint(value)]);
}

function bytesField(field: number, data: Buffer): Buffer {
  return Buffer.concat([key(field, wireType.bytes), varint(data.length), data]);
}

function double(field: number, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, wireType.fixed64), data]);
}

function float(field: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, wireType.fixed32), data]);
}
