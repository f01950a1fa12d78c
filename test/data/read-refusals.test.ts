import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readRefusals } from '../../lib/data/index.ts';

let folder: string;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-refusals-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string, name = 'refusals.txt'): Promise<string> {
  const file = join(folder, `${++written}-${name}`);
  await writeFile(file, content);
  return file;
}

const plain = 'one a line of plain text';

describe('readRefusals', () => {
  it('gives lines of plain text without the space around them, blank ones left out', async () => {
    const content = "\ufeffI don't know.\r\n\n  No idea. \rNo, sorry.";
    const file = await fileOf(content);
    expect(await readRefusals(file)).toEqual({
      file,
      sha256: createHash('sha256').update(content).digest('hex'),
      items: ["I don't know.", 'No idea.', 'No, sorry.'],
      lines: [1, 3, 4],
      origin: plain,
    });
  });

  it.each([
    ['quotation marks', `"I don't know," she said.\n"No." "No?" "No."`],
    ['brackets', '[No answer]\n[silence]\nNo [idea].'],
    ['braces', '{name} does not know.\n{}{}'],
    ['commas, semicolons and tabs', 'Sorry, I cannot answer; ask elsewhere.\nNo answer, sorry.\nNo,\tno.'],
    ['numbers and words of JSON', '42\nnull\nNo.\nNaN\ntrue'],
  ])('takes plain text with %s as it is', async (_, content) => {
    expect(await readRefusals(await fileOf(content))).toMatchObject({ items: content.split('\n'), origin: plain });
  });

  it.each([
    [
      'objects with an answer',
      '{"question":"q","answer":"No."}\n\n{"answer":"Never."}',
      'the "answer" of each JSON object',
    ],
    [
      'objects with a completion',
      '{"completion":"No."}\n{"completion":"Never."}',
      'the "completion" of each JSON object',
    ],
    ['JSON strings', '"No."\r"Never."\r', 'JSON strings'],
    [
      'strings and objects',
      '"No."\n{"answer":"Never.","score":NaN}',
      'JSON strings and the "answer" of each JSON object',
    ],
    ['an array of objects', '[{"answer":"No."},\n{"answer":"Never."}]', 'the "answer" of each JSON object'],
    ['an array of strings over several lines', '[\n  "No.",\n  "Never."\n]', 'JSON strings'],
  ])('reads %s', async (_, content, origin) => {
    const file = await fileOf(content);
    expect(await readRefusals(file)).toMatchObject({ items: ['No.', 'Never.'], origin: `from ${origin}` });
  });

  it('tells where each stands: by its line, in an array by its number', async () => {
    const linesOf = async (content: string) => (await readRefusals(await fileOf(content))).lines;
    expect(await linesOf('\n{"answer":"No."}\n\n\n{"answer":"Never."}\n')).toEqual([2, 5]);
    expect(await linesOf('[\n\n"No.", "Never."]')).toEqual([1, 2]);
  });

  it('takes a JSON string as it is, with space, line ends and quotation marks', async () => {
    const refusals = [' No.\nNever. ', '"No," she said.', '{"answer": "No."}'];
    const { items } = await readRefusals(await fileOf(refusals.map((refusal) => JSON.stringify(refusal)).join('\n')));
    expect(items).toEqual(refusals);
  });

  it.each([
    [
      'plain text among objects',
      '{"answer":"No."}\n\nNever.',
      3,
      /is plain text, but line 1 is JSON; write all lines in one way/,
    ],
    ['plain text among strings', '"No."\nNever.', 2, /is plain text.*\\" in a JSON string/],
    ['an object in plain text', 'No.\nNever.\n{"answer":"No."}', 3, /is JSON, but line 1 is plain text/],
    ['a damaged object', '{"answer":"No."}\n{"answer":"Ne', 2, /not valid JSON/],
    ['a damaged object in plain text', 'No.\n{"answer":"Ne', 2, /is damaged JSON, but line 1 is plain text/],
    ['an object over several lines', '{\n"answer":"No."\n}', 1, /several lines.*jq -c/],
    ["Python's own notation", "{'answer': 'No.'}", 1, /Python's own notation/],
    ['strings with commas behind', '"No.",\n"Never."', 1, /ends with a comma/],
    ['other fields', '{"refusal":"No.","text":"No."}', 1, /needs "answer" or "completion".*found "refusal", "text"/],
    ['both fields', '{"answer":"No.","completion":"No."}', 1, /both "answer" and "completion"; keep one/],
    ['an answer that is no text', '{"answer":NaN}', 1, /"answer" that must be a string, but is null or NaN/],
    ['an empty answer', '{"answer":" "}', 1, /empty "answer"/],
    ['an empty string', '"No."\n""', 2, /empty JSON string/],
    ['half a character', '"\\ud83d"', 1, /surrogate/],
    ['an array a line', '["No."]\n["Never."]', 1, /is a JSON array of its own/],
    ['a number in an array', '["No.", 3]', 2, /record 2 of the array.*must be a JSON string.* but is 3/],
    ['an array that is cut short', '[\n"No."\n', 1, /begins with "\[" but is not a valid JSON array/],
  ])('refuses %s and says where', async (_, content, line, problem) => {
    const file = await fileOf(content);
    await expect(readRefusals(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(problem),
      details: { file, line },
    });
  });

  it.each([
    ['named so', 'No.\n', 'refusals.CSV', /is a table, which.*plain text.*JSON lines/],
    ['separated by tabs', 'No.\n', 'refusals.tsv', /is a table/],
    [
      'with a header',
      'question,answer\nWho?,No.\n',
      'refusals.txt',
      /is a table \(its first line names a column "answer"\)/,
    ],
    ['with a quoted header', '"id"; "Completion"\n1;No.\n', 'refusals', /a column "completion"/],
    ['of one column', 'answer\nNo.\n', 'refusals.txt', /a column "answer"/],
  ])('refuses a table %s', async (_, content, name, message) => {
    await expect(readRefusals(await fileOf(content, name))).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('refuses a file without refusals, and one that is missing', async () => {
    for (const content of ['', ' \n', '[]']) {
      await expect(readRefusals(await fileOf(content))).rejects.toMatchObject({
        code: 'SOUL_BAD_DATA',
        message: expect.stringContaining('has no refusals'),
      });
    }
    await expect(readRefusals(join(folder, 'none'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(readRefusals('')).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  });
});
