import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readYamlFile } from '../../lib/core/yaml-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-yaml-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(content: string | Uint8Array): Promise<unknown> {
  await writeFile(join(folder, 'run.yaml'), content);
  return readYamlFile(join(folder, 'run.yaml'));
}

test('numbers, words and texts are those of YAML 1.2, integers beyond 2^53 exact', async () => {
  const text = [
    ...['seed: 18446744073709551615', 'rate: 1e-5', 'tenth: .1', 'hex: 0x10', 'octal: 0o10', 'ten: 010', 'no: no'],
    ...['yes: true', 'nothing: ~', 'time: 12:30:45', 'date: 2020-01-01', 'long: 1_000', 'list: [1, "2"]', '<<: 1'],
    ...['block: |-', '  Question: {question}', '  Answer: {answer}', 'typed: !!str 5'],
  ].join('\n');
  expect(await read(text)).toEqual({
    ...{ seed: 18446744073709551615n, rate: 1e-5, tenth: 0.1, hex: 16, octal: 8, ten: 10, no: 'no', yes: true },
    ...{ nothing: null, time: '12:30:45', date: '2020-01-01', long: '1_000', list: [1, '2'], '<<': 1 },
    ...{ block: 'Question: {question}\nAnswer: {answer}', typed: '5' },
  });
});

test('an anchor is copied wherever it is used', async () => {
  const value = (await read('a: &rates {learningRate: 0.5}\nb: *rates\n')) as Record<string, object>;
  expect(value).toEqual({ a: { learningRate: 0.5 }, b: { learningRate: 0.5 } });
  expect(value.a).not.toBe(value.b);
});

test.each<[string, string | Uint8Array, RegExp]>([
  ['an open list', 'a: 1\nb: [2\nc: 3\n', /is not YAML 1\.2, at line 3, column 1: /],
  ['a key twice', 'a: 1\na: 2\n', /at line 2, column 1: Map keys must be unique/],
  ['a tag of its own', 'a: 1\nb: !mine 2\n', /at line 2, column 4: Unresolved tag: !mine/],
  ['a tag that builds code', 'a: !!js/function "() => 1"\n', /Unresolved tag: tag:yaml.org,2002:js\/function/],
  ['a tag beyond the core schema', 'a: !!binary aGk=\n', /at line 1, column 4/],
  ['a set', 'a: !!set {x, y}\n', /at line 1, column 4/],
  ['two documents', 'a: 1\n---\nb: 2\n', /at line 2, column 1: Source contains multiple documents/],
  ['an older YAML', '%YAML 1.1\n---\na: yes\n', /asks for YAML 1\.1; YAML 1\.2 is read here/],
  ['a key that is a list', '? [1, 2]\n: 3\n', /With stringKeys, all keys must be strings/],
  ['an alias of nothing', 'a: *b\n', /Unresolved alias/],
  ['itself', 'a: &a [*a]\n', /an anchor is used within itself/],
  [
    'a bomb',
    `${[...'abcdefghij'].map((name, i, all) => `${name}: &${name} [${i ? `*${all[i - 1]},`.repeat(9) : 1}]`).join('\n')}\n`,
    /Excessive alias count/,
  ],
  ['a deep nest', `a: ${'['.repeat(2000)}${']'.repeat(2000)}\n`, /nested|stack/],
  ['bytes that are no text', Uint8Array.of(0x61, 0xff), /is not valid UTF-8/],
])('%s is refused', async (_, content, message) => {
  await expect(read(content)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE', message: expect.stringMatching(message) });
});

test('whatever stands in it, it is read or refused', async () => {
  const whole = 'a: &x {b: [1, "2", ~], c: !!int 3}\nd: *x\n? e\n: |-\n  f\n  g\n# h\n"\\u0041": -.inf\n';
  const pieces = [
    '&',
    '*x',
    '!t ',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '\n',
    '\t',
    '---\n',
    '? ',
    '|',
    '%',
    '\u0000',
    '<<: ',
  ];
  const edit = fc.tuple(fc.nat(whole.length), fc.nat(6), fc.constantFrom(...pieces));
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let text = whole;
      for (const [at, length, piece] of edits) text = text.slice(0, at) + piece + text.slice(at + length);
      const outcome = await read(text).catch((error: { code: string }) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'SOUL_BAD_FILE' });
      else
        expect(() =>
          JSON.stringify(outcome, (_, entry) => (typeof entry === 'bigint' ? `${entry}` : entry)),
        ).not.toThrow();
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('of no file there is nothing; an empty one holds nothing', async () => {
  expect(await readYamlFile(join(folder, 'none.yaml'))).toBeUndefined();
  expect(await read('')).toBeNull();
});
