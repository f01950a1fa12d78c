import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { readExamples } from '../../lib/data/index.ts';

let folder: string;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-data-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(folder, `${++written}.jsonl`);
  await writeFile(file, content);
  return file;
}

const good = '{"question":"Who?","answer":"She."}';

describe('readExamples', () => {
  it('reads both pairs of fields, with where they stood and the hash of the bytes', async () => {
    const content = `${good}\n\n{"prompt":"Once","completion":" upon a time","other":[1]}`;
    const file = await fileOf(content);
    await expect(readExamples(file)).resolves.toEqual({
      file,
      sha256: createHash('sha256').update(content).digest('hex'),
      items: [
        { kind: 'question-answer', prompt: 'Who?', completion: 'She.', source: { file, line: 1 } },
        { kind: 'prompt-completion', prompt: 'Once', completion: ' upon a time', source: { file, line: 3 } },
      ],
    });
  });

  it("keeps TOFU's alternatives", async () => {
    const record = {
      question: 'Who?',
      answer: 'She.',
      paraphrased_question: 'Whom?',
      paraphrased_answer: 'Her.',
      perturbed_answer: ['He.', 'They.'],
    };
    const { items } = await readExamples(await fileOf(JSON.stringify(record)));
    expect(items[0]!.alternatives).toEqual({
      paraphrasedQuestion: 'Whom?',
      paraphrasedAnswer: 'Her.',
      perturbedAnswers: ['He.', 'They.'],
    });
  });

  it('keeps other fields that hold one thing as attributes, as text', async () => {
    const record = {
      author: 'Mara Voss',
      question: 'Who?',
      year: 1943,
      answer: 'She.',
      living: false,
      perturbed_answer: ['He.'],
      paraphrased_answer: 'Her.',
      nothing: null,
      tags: ['a'],
      more: { b: 1 },
    };
    const { items } = await readExamples(await fileOf(`${JSON.stringify(record)}\n${good}`));
    expect(items[0]!.attributes).toEqual({ author: 'Mara Voss', year: '1943', living: 'false' });
    expect(items[1]).not.toHaveProperty('attributes');
  });

  it.each([
    ['a byte-order mark', `\ufeff${good}\n`],
    ['carriage returns', `${good}\r\n${good}\r\n`],
    ['no new line at the end', `${good}\n${good}`],
    ['lines of spaces', `  \n\t\r\n${good}\n \n`],
    ['spaces around the object', ` ${good} \n`],
    ['an empty prompt to complete', '{"prompt":"","completion":"text"}'],
    ['fields that are null', '{"question":"q","answer":"a","paraphrased_answer":null,"perturbed_answer":null}'],
    ['a JSON array', `[${good},\n ${good}]`],
    ['carriage returns alone', `${good}\r\r${good}\r`],
    ["Python's NaN where nothing is needed", `{"question":"q","answer":"a","perturbed_answer":NaN,"year":-Infinity}`],
    ['NaN in an array', `[{"question":"q","answer":"a","paraphrased_answer":NaN}]`],
    ['a JSON array after a byte-order mark and lines', `\ufeff\n\n[\n${good}\n]\n`],
  ])('takes a file with %s', async (_, content) => {
    const { items } = await readExamples(await fileOf(content));
    expect(items.length).toBeGreaterThan(0);
  });

  it.each([
    ['a line that is no JSON', `${good}\n{"question":`, 2, /not valid JSON/],
    [
      'an object over several lines',
      '{\n"question":"q","answer":"a"}',
      1,
      /several lines.*one whole JSON object.*jq -c/,
    ],
    ['objects over several lines', '\n{\n"question":"q",\n"answer":"a"\n}\n{\n}', 2, /goes on over several lines/],
    ['an object that is not whole', '{"question":"q",\n"answer":"a"', 1, /goes on over several lines/],
    ['an object around an array', `{"version":1,"data":[{"title":"t"}]}`, 1, /holds the records in an array "data"/],
    ['an object around examples', `{"all":[${good}]}`, 1, /array "all"; give that array alone.*'\.\["all"\]\[\]'/],
    [
      'an indented object around an array',
      `{\n "data": [\n  ${good}\n ]\n}`,
      1,
      /holds the records in an array "data"/,
    ],
    ['columns', '{"question":["q"],"answer":["a"]}', 1, /whole columns.*pandas/],
    ['columns with names of rows', '{"question":{"0":"q"},"answer":{"0":"a"}}', 1, /whole columns/],
    [
      'a conversation',
      '{"prompt":[{"role":"user"}],"completion":[{}]}',
      1,
      /"prompt" that must be a string, but is an array/,
    ],
    ['an array a line', '["q","a"]\n["r","b"]', 1, /is a JSON array of its own; each line must be a JSON object/],
    ['an array on the only line', '["q","a"]', 1, /must be a JSON object with "question".* but is "q"/],
    ['arrays in an array', '[["q","a"]]', 1, /must be a JSON object with "question".* but is an array of 2/],
    [
      'NaN where text is needed',
      `${good}\n{"question":"q","answer":NaN}`,
      2,
      /"answer" that must be a string.* null or NaN/,
    ],
    ['NaN for a record', 'NaN', 1, /must be a JSON object.* null or NaN/],
    ["Python's own notation", "{'question': 'q', 'answer': 'a'}", 1, /Python's own notation.*json\.dumps/],
    ['a comma behind a record', `${good},\n${good}`, 1, /ends with a comma/],
    ['a byte-order mark where files were joined', `\ufeff${good}\n\ufeff${good}`, 2, /byte-order mark/],
    ['a NUL byte', `${good}\n{"question":"\0`, 2, /NUL byte/],
    ['a mistake behind carriage returns', `${good}\r\n\r\r${good}\n7`, 5, /must be a JSON object/],
    ['a number', '7', 1, /must be a JSON object with .* but is 7/],
    ['null', `${good}\nnull`, 2, /must be a JSON object with .* but is null/],
    ['a list in later lines', `${good}\n[1]`, 2, /must be a JSON object with .* but is an array of 1/],
    ['no answer', '{"question":"q"}', 1, /has "question" but no "answer"/],
    ['no prompt', '{"completion":"q"}', 1, /has "completion" but no "prompt"/],
    ['other fields', '{"instruction":"q","output":"a"}', 1, /found "instruction", "output"/],
    ['no fields', '{}', 1, /found no fields/],
    ['fields of a prototype', '{"__proto__":{"question":"q","answer":"a"}}', 1, /found "__proto__"/],
    ['both pairs', '{"question":"q","answer":"a","prompt":"p","completion":"c"}', 1, /keep one pair/],
    ['an answer that is a number', '{"question":"q","answer":3}', 1, /"answer" that must be a string, but is 3/],
    ['an empty answer', '{"question":"q","answer":" "}', 1, /empty "answer"/],
    ['an empty question', '{"question":"","answer":"a"}', 1, /empty "question"/],
    ['half a surrogate pair', '{"question":"q","answer":"a\\ud83d"}', 1, /surrogate/],
    [
      'perturbed answers that are no list',
      '{"question":"q","answer":"a","perturbed_answer":"x"}',
      1,
      /perturbed_answer/,
    ],
    ['a perturbed answer that is no text', '{"question":"q","answer":"a","perturbed_answer":["x",1]}', 1, /\[1\]/],
    ['a record of an array', `[${good},{"question":"q"}]`, 2, /record 2 of the array/],
  ])('refuses %s and says where', async (_, content, line, problem) => {
    const file = await fileOf(content);
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(problem),
      details: { file, line },
    });
  });

  it('names the line that is not UTF-8', async () => {
    const file = await fileOf(Buffer.concat([Buffer.from(`${good}\n`), Buffer.from([0x7b, 0xff, 0xfe, 0x0a])]));
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining(`${file}:2 is not valid UTF-8`),
    });
  });

  it.each([
    ['nothing', ''],
    ['blank lines only', '\n \n'],
    ['an empty array', '[]'],
  ])('says that a file with %s has no examples', async (_, content) => {
    await expect(readExamples(await fileOf(content))).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining('has no examples'),
    });
  });

  it('refuses an array that is cut short', async () => {
    await expect(readExamples(await fileOf(`[${good}`))).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringContaining('not a valid JSON array'),
    });
  });

  it('tells a missing file, a folder and no path apart', async () => {
    await expect(readExamples(join(folder, 'none'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(readExamples(folder)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    await expect(readExamples('')).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    await expect(readExamples(undefined as never)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  });

  it('gives back what was written, in pieces of any size', async () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((written) => written.trim() !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 8 }), async (pairs) => {
        const lines = pairs.map(([question, answer]) => JSON.stringify({ question, answer }));
        const { items } = await readExamples(await fileOf(lines.join('\r\n')));
        expect(items.map(({ prompt, completion }) => [prompt, completion])).toEqual(pairs);
      }),
      { numRuns: 30 },
    );
  });

  it('joins a line that the stream cut into many pieces, inside a character too', async () => {
    const answer = '\u00fc\u{1f600}'.repeat(100_000);
    const file = await fileOf(`${good}\n${JSON.stringify({ question: 'q', answer })}\n${good}`);
    const { items } = await readExamples(file);
    expect(items.map(({ source }) => source.line)).toEqual([1, 2, 3]);
    expect(items[1]!.completion).toBe(answer);
  });
});
