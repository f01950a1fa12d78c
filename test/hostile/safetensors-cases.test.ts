import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { platform, resourceUsage } from 'node:process';
import { afterAll, describe, expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { fileOf } from './safetensors-mutations.ts';

const folder = mkdtempSync(join(tmpdir(), 'soul-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'file.safetensors');

/** Opens a file of this header. */
async function open(header: string, data = 0, claimed?: bigint) {
  writeFileSync(path, fileOf(header, new Uint8Array(data), claimed));
  return openSafetensors(path);
}

const entry = (begin: number, end: number, shape = [end - begin]) =>
  JSON.stringify({ dtype: 'U8', shape, data_offsets: [begin, end] });

const refused = (message: RegExp) => ({ code: 'SOUL_BAD_FILE', message: expect.stringMatching(message) });

describe('a header', () => {
  test.each([100_000_000n, 100_000_001n, 2n ** 31n, 2n ** 32n + 2n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])(
    'that claims %p bytes is refused before memory is taken',
    async (claimed) => {
      const before = resourceUsage().maxRSS;
      await expect(open('{}', 0, claimed)).rejects.toMatchObject(refused(/header/));
      // Of the length that the format allows, not even a part.
      expect(resourceUsage().maxRSS - before).toBeLessThan(50 * 1024);
    },
  );

  test.each([
    ['of two tensors', `{"a":${entry(0, 4)},"a":${entry(0, 4)}}`],
    ['of two tensors, once in escapes', `{"a":${entry(0, 4)},"\\u0061":${entry(0, 4)}}`],
    ['within an entry', `{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}`],
    ['in the metadata', `{"__metadata__":{"rho":"1","rho":"2"},"a":${entry(0, 4)}}`],
    ['of the metadata', `{"__metadata__":{},"__metadata__":{"x":"1"},"a":${entry(0, 4)}}`],
  ])('with a name twice is refused: %s', async (_, header) => {
    await expect(open(header, 4)).rejects.toMatchObject(refused(/a name twice/));
  });

  test('may have names that look like JSON', async () => {
    const name = '{"a":[\\",:';
    const file = await open(`{"__metadata__":{"{:":"}:\\\\"},${JSON.stringify(name)}:${entry(0, 1)}}`, 1);
    expect([[...file.tensors.keys()], file.metadata]).toEqual([[name], { '{:': '}:\\' }]);
    await file.close();
  });

  test('may name a tensor __proto__, which then is one', async () => {
    const file = await open(`{"__proto__":${entry(0, 2)},"__metadata__":{"__proto__":"x"}}`, 2);
    expect([...file.tensors.keys()]).toEqual(['__proto__']);
    expect(Object.getOwnPropertyDescriptor(file.metadata, '__proto__')?.value).toBe('x');
    expect(await file.read('__proto__')).toEqual(new Uint8Array(2));
    await file.close();
  });

  test.each([
    ['lists', '['.repeat(1_000_000)],
    ['closed lists', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`],
    ['objects', '{"a":'.repeat(200_000)],
    ['metadata', `{"__metadata__":{"x":${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}}`],
  ])('nested without end is refused: %s', async (_, header) => {
    await expect(open(header)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });

  test('begins with no byte-order mark', async () => {
    await expect(open(`\ufeff{"a":${entry(0, 1)}}`, 1)).rejects.toMatchObject(refused(/not JSON/));
  });
});

describe('tensors', () => {
  test.each([
    ['overlap', `{"a":${entry(0, 4)},"b":${entry(2, 6)}}`, 6],
    ['are one within the other', `{"a":${entry(0, 6)},"b":${entry(2, 4)}}`, 6],
    ['are at one place', `{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4],
    ['leave a gap', `{"a":${entry(0, 2)},"b":${entry(4, 6)}}`, 6],
    ['leave the beginning', `{"a":${entry(2, 4)}}`, 4],
    ['leave the end', `{"a":${entry(0, 2)}}`, 4],
    ['go beyond the end', `{"a":${entry(0, 8)}}`, 4],
    ['run backwards', `{"a":${entry(4, 0, [])}}`, 4],
    ['have a shape whose product overflows', `{"a":${entry(0, 0, [2 ** 32, 2 ** 32, 2 ** 32])}}`, 0],
    ['have a shape of zero and what cannot be counted', `{"a":${entry(0, 8, [2 ** 52, 2 ** 52, 0])}}`, 8],
  ])('that %s are refused', async (_, header, data) => {
    await expect(open(header, data)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
  });

  test('without elements may lie between others', async () => {
    const file = await open(`{"a":${entry(0, 2)},"none":${entry(2, 2)},"b":${entry(2, 3)}}`, 3);
    expect([...file.tensors.keys()]).toEqual(['a', 'none', 'b']);
    await file.close();
  });

  test('may be a hundred thousand, in any order', async () => {
    const count = 100_000;
    // The last comes first: the order of bytes is another than that of names.
    const entries = Array.from({ length: count }, (_, i) => `"t${count - 1 - i}":${entry(count - 1 - i, count - i)}`);
    writeFileSync(
      path,
      fileOf(
        `{${entries.join(',')}}`,
        Uint8Array.from({ length: count }, (_, i) => i % 251),
      ),
    );
    const file = await openSafetensors(path);
    expect(file.tensors.size).toBe(count);
    for (const i of [0, 1, 49_999, count - 1]) expect(await file.read(`t${i}`)).toEqual(Uint8Array.of(i % 251));
    await file.close();
    const overlapping = entries.with(7, `"t${count - 8}":${entry(count - 9, count - 8)}`);
    await expect(open(`{${overlapping.join(',')}}`, count)).rejects.toMatchObject(refused(/overlap/));
  });

  test('with long or unprintable names are named safely', async () => {
    const name = `\u001b[2J\u202e${'x'.repeat(100_000)}`;
    const error = await open(`{${JSON.stringify(name)}:${entry(0, 9)}}`, 4).catch((found) => found);
    expect(error).toMatchObject({ code: 'SOUL_BAD_FILE' });
    const long = await open(`{${JSON.stringify(name)}:{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}`, 1).catch(
      (found) => found,
    );
    expect(long.message).toMatch(/tensor \\u001b\[2J\\u202exxx/);
    expect(long.message.length).toBeLessThan(500);
  });
});

describe('in the place of a file', () => {
  test('a folder is refused', async () => {
    await expect(openSafetensors(folder)).rejects.toMatchObject(refused(/folder/));
  });

  const withPipes = platform === 'win32' ? test.skip : test;
  withPipes('a pipe is refused, without waiting for what comes through it', async () => {
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    await expect(openSafetensors(pipe)).rejects.toMatchObject(refused(/no ordinary file/));
  });
});
