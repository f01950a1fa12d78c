import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { crc32c, EventFile } from '../../lib/run/event-file.ts';
import { readEvents, slowChecksum } from './event-records.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-events-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the checksum is that of RFC 3720, appendix B.4, and of the definition', () => {
  const bytes = (of: (i: number) => number) => Uint8Array.from({ length: 32 }, (_, i) => of(i));
  expect(crc32c(bytes(() => 0))).toBe(0x8a9136aa);
  expect(crc32c(bytes(() => 0xff))).toBe(0x62a8ab43);
  expect(crc32c(bytes((i) => i))).toBe(0x46dd794e);
  expect(crc32c(bytes((i) => 31 - i))).toBe(0x113fdb5c);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  for (let length = 0; length < 70; length++) {
    const data = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) % 256));
    expect(crc32c(data)).toBe(slowChecksum(data));
  }
});

test('what is written is read back by an independent reader, whole after each call', async () => {
  const path = join(folder, 'events.out.tfevents.1.a');
  const file = new EventFile(path, 3, 1234.5);
  const start = [
    { wallTime: 1234.5, step: 0, version: 'brain.Event:2' },
    { wallTime: 1234.5, step: 3, sessionStatus: 1 },
  ];
  expect(readEvents(await readFile(path))).toEqual(start);
  file.scalars(3, 1235, { loss: 0.5, 'losses/forget': -1.25 });
  file.scalars(300_000_000_000, 1236, { loss: Number.NaN, größe: 1e30, [`${'x'.repeat(300)}`]: 0 });
  expect(readEvents(await readFile(path))).toEqual([
    ...start,
    { wallTime: 1235, step: 3, scalars: { loss: 0.5, 'losses/forget': -1.25 } },
    {
      wallTime: 1236,
      step: 300_000_000_000,
      scalars: { loss: Number.NaN, größe: Math.fround(1e30), ['x'.repeat(300)]: 0 },
    },
  ]);
});

test('a file that is there already is left as it is', () => {
  const path = join(folder, 'events.out.tfevents.2.a');
  new EventFile(path, 0, 1);
  expect(() => new EventFile(path, 0, 1)).toThrow(/EEXIST/);
});
