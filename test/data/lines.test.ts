import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { openLines } from '../../lib/data/lines.ts';

let folder: string;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-lines-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(folder, `${++written}`);
  await writeFile(file, content);
  return file;
}

async function linesOf(content: string | Uint8Array): Promise<string[]> {
  const source = openLines(await fileOf(content));
  const texts: string[] = [];
  for await (const { number, text } of source.lines) {
    texts.push(text);
    expect(number).toBe(texts.length);
  }
  expect(source.sha256()).toBe(createHash('sha256').update(content).digest('hex'));
  return texts;
}

/** The lines of Python's universal newlines. */
function expected(content: string): string[] {
  const lines = content.split(/\r\n|\r|\n/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

describe('openLines', () => {
  it('ends lines at line feeds, carriage returns and both, and nowhere else', async () => {
    const pieces = fc.constantFrom('a', '\r', '\n', '\r\n', '\u2028', '\u2029', '\u0085', '\v', '\f', '\u00fc');
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 12 }), async (parts) => {
        expect(await linesOf(parts.join(''))).toEqual(expected(parts.join('')));
      }),
      { numRuns: 100 },
    );
  });

  it.each([-2, -1, 0, 1])('ends a line once where the stream cuts its end in two, %d bytes off', async (off) => {
    for (const end of ['\r\n', '\r', '\n', '\r\r\n', '\r\n\n']) {
      const content = `${'x'.repeat(2 ** 16 + off)}${end}y${end}`;
      expect(await linesOf(content)).toEqual(expected(content));
    }
  });

  const text = '{"question":"q","answer":"a"}\n';
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  it.each([
    ['UTF-16', utf16, /a text in UTF-16; save it as UTF-8/],
    ['UTF-16, the high byte first', Buffer.from(utf16).swap16(), /a text in UTF-16/],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]), /a text in UTF-32/],
    ['gzip', gzipSync(text), /compressed by gzip; unpack it/],
    ['Zstandard', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 4]), /compressed by Zstandard/],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /compressed by xz/],
    ['bzip2', Buffer.from('BZh91AY&SY\xff', 'latin1'), /compressed by bzip2/],
    ['ZIP', Buffer.from('PK\x03\x04\x14\x00', 'latin1'), /a ZIP archive/],
    ['Parquet', Buffer.from('PAR1\x15\x04', 'latin1'), /a Parquet file; .*JSON lines.*pandas/],
    ['Arrow', Buffer.from('ffffffff10000000', 'hex'), /an Arrow file/],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /Git LFS.*git lfs pull/],
    ['an HTML page', '<!DOCTYPE html>\n<html>', /an HTML page/],
  ])('says that a file is %s', async (_, content, message) => {
    await expect(linesOf(content)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(message),
    });
  });

  it('says of UTF-16 without a mark that it is no UTF-8', async () => {
    await expect(linesOf(Buffer.from(text, 'utf16le'))).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(/:1 holds a NUL byte.*UTF-16, perhaps.*save the file as UTF-8/),
    });
  });
});
