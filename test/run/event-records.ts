/**
 * Reads event files of TensorBoard, by the formats' own words and none of lib's code.
 *
 * @module
 */

/** CRC-32C bit by bit, from its definition as the rest of a division. */
export function slowChecksum(data: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of data) {
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = ((sum ^ (byte >> bit)) & 1) === 1;
      sum = (sum >>> 1) ^ (isOdd ? 0x82f63b78 : 0);
    }
  }
  return (sum ^ 0xffffffff) >>> 0;
}

function masked(sum: number): number {
  return Number((((BigInt(sum) >> 15n) | (BigInt(sum) << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The fields of a message in their order: numbers of varints, bytes of all else. */
function fields(message: Buffer): [field: number, value: number | Buffer][] {
  const found: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
  };
  const take = (count: number) => {
    at += count;
    return message.subarray(at - count, at);
  };
  while (at < message.length) {
    const key = varint();
    const field = key >> 3;
    const wire = key & 7;
    if (wire === 0) found.push([field, varint()]);
    else if (wire === 1) found.push([field, take(8)]);
    else if (wire === 2) found.push([field, take(varint())]);
    else if (wire === 5) found.push([field, take(4)]);
    else throw new Error(`wire type ${wire}`);
  }
  if (at !== message.length) throw new Error('a message ends within a field');
  return found;
}

export interface ReadEvent {
  wallTime: number;
  step: number;
  version?: string;
  sessionStatus?: number;
  scalars?: Record<string, number>;
}

/** All events of a file; throws where a checksum or a length is wrong. */
export function readEvents(file: Buffer): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const length = file.subarray(at, at + 8);
    const size = Number(length.readBigUInt64LE());
    const data = file.subarray(at + 12, at + 12 + size);
    if (data.length !== size) throw new Error('the file ends within a record');
    if (file.readUInt32LE(at + 8) !== masked(slowChecksum(length))) throw new Error('checksum of a length');
    if (file.readUInt32LE(at + 12 + size) !== masked(slowChecksum(data))) throw new Error('checksum of a record');
    at += 16 + size;
    const event: ReadEvent = { wallTime: Number.NaN, step: 0 };
    for (const [field, value] of fields(data)) {
      if (field === 1) event.wallTime = (value as Buffer).readDoubleLE();
      else if (field === 2) event.step = value as number;
      else if (field === 3) event.version = (value as Buffer).toString();
      else if (field === 5) event.scalars = scalarsOf(value as Buffer);
      else if (field === 7) event.sessionStatus = fields(value as Buffer)[0]![1] as number;
      else throw new Error(`field ${field}`);
    }
    events.push(event);
  }
  return events;
}

function scalarsOf(summary: Buffer): Record<string, number> {
  return Object.fromEntries(
    fields(summary).map(([, value]) => {
      const own = new Map(fields(value as Buffer));
      return [(own.get(1) as Buffer).toString(), (own.get(2) as Buffer).readFloatLE()];
    }),
  );
}
