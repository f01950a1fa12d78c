import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { mergeLoading, readConfiguration } from '../../lib/cli/configuration.ts';
import { readJsonFile } from '../../lib/core/files.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { readExamples } from '../../lib/data/read-examples.ts';

const folder = mkdtempSync(join(tmpdir(), 'soul-json-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'file.json');

const write = (content: string | Uint8Array) => {
  writeFileSync(path, content);
  return path;
};
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('a JSON file', () => {
  test.each([
    ['a byte that UTF-8 never has', Uint8Array.of(0x22, 0xff, 0x22), /not valid UTF-8/],
    ['half a surrogate pair', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), /not valid UTF-8/],
    ['a character cut off', Uint8Array.of(0x22, 0xc3), /not valid UTF-8/],
    ['a byte-order mark', '\ufeff{}', /not JSON/],
    ['nothing', '', /not JSON/],
    ['more than one value', '{}{}', /not JSON/],
    ['lists without end', '['.repeat(1_000_000), /not JSON/],
    ['lists within each other', nested(901), /nested more than 900 deep/],
    ['what clears a terminal', '{"a":\u001b[2J}', /not JSON: .*\\u001b/],
  ])('with %s is refused', async (_, content, message) => {
    const error = (await readJsonFile(write(content)).catch((found) => found)) as Error;
    expect(error).toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringMatching(message) });
    expect(error.message.length).toBeLessThan(600);
  });

  test('that is a folder is refused as one', async () => {
    await expect(readJsonFile(folder)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: `${folder} is a folder, not a file`,
    });
  });

  test('may be nested as deep as real ones are, and hold any text', async () => {
    await expect(readJsonFile(write(nested(900)))).resolves.toHaveLength(1);
    await expect(readJsonFile(write(JSON.stringify({ text: nested(2000) })))).resolves.toEqual({ text: nested(2000) });
  });
});

describe('a configuration', () => {
  test.each([
    ['a name out of all measure', JSON.stringify({ ['x'.repeat(1_000_000)]: 1 })],
    ['a name that clears a terminal', JSON.stringify({ '\u001b[2J': 1 })],
    ['a name of every object', '{"__proto__":{"method":"npo"}}'],
    ['a setting of no method', JSON.stringify({ settings: { toString: 1 } })],
  ])('with %s is refused', async (_, content) => {
    const error = await readConfiguration(write(content)).catch((found) => found);
    expect(error).toMatchObject({ name: 'SoulError', code: 'SOUL_INVALID_ARGUMENT' });
    expect(error.message.length).toBeLessThan(1500);
    expect(error.message).not.toContain('\u001b');
  });

  test.each([[7], [null], [['cpu']], [{ toString: null, valueOf: null }], [{ toString: 1 }]])(
    'has the name of a device as a text, not %j',
    (device) => {
      expect(() => mergeLoading(path, { device }, {})).toThrow(
        expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining('load.device') }),
      );
    },
  );
});

test('a template with a placeholder that is none names it safely', () => {
  for (const placeholder of [`{\ufeffquestion}`, `{${'x'.repeat(100_000)}}`]) {
    const parse = () => PromptTemplate.parse(`Q: ${placeholder}`);
    expect(parse).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    expect(parse).toThrow(/^[^\ufeff]{1,400}$/);
  }
});

describe('a data file', () => {
  test.each([
    [
      'a container with a name out of all measure',
      JSON.stringify({ [`data${'x'.repeat(100_000)}`]: [{ question: 'Q' }] }),
    ],
    ['a line that clears a terminal', '{"question": \u001b[2J}'],
    ['an array that does', '[{"question": \u001b[2J}]'],
    ['a record nested without end', `{"question":${'['.repeat(200_000)}`],
    ['half a character', '{"question":"\\ud800","answer":"A"}'],
    ['bytes that are no text', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['zeros', new Uint8Array(1000)],
  ])('with %s is refused', async (_, content) => {
    const error = await readExamples(write(content)).catch((found) => found);
    expect(error).toMatchObject({ name: 'SoulError', code: 'SOUL_BAD_DATA' });
    expect(error.message.length).toBeLessThan(1500);
    expect(error.message).not.toContain('\u001b');
  });
});
