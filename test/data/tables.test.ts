import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readExamples } from '../../lib/data/index.ts';

let folder: string;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-tables-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string | Uint8Array, extension = 'csv'): Promise<string> {
  const file = join(folder, `${++written}.${extension}`);
  await writeFile(file, content);
  return file;
}

describe('tables as text', () => {
  test('quoted cells, a byte-order mark, blank lines, carriage returns and columns without a name', async () => {
    const content =
      '\ufeff"question", answer,author,perturbed_answer,\r\n' +
      'Who?,She.,Mara,"[""x"",""y""]",0\r\n\r\n' +
      '"Say ""hi"",\r\nplease",no,,,1\r\n';
    const file = await fileOf(content);
    expect(await readExamples(file)).toEqual({
      file,
      sha256: createHash('sha256').update(content).digest('hex'),
      items: [
        {
          kind: 'question-answer',
          ...{ prompt: 'Who?', completion: 'She.', source: { file, line: 2 } },
          alternatives: { perturbedAnswers: ['x', 'y'] },
          attributes: { author: 'Mara' },
        },
        // A row is where it begins; a line end within a cell is a line feed.
        { kind: 'question-answer', prompt: 'Say "hi",\nplease', completion: 'no', source: { file, line: 4 } },
      ],
    });
  });

  test('tabs, by the name of the file', async () => {
    const { items } = await readExamples(await fileOf('prompt\tcompletion\tyear\n\ta, b\t1943\n', 'TSV'));
    expect(items).toMatchObject([{ prompt: '', completion: 'a, b', attributes: { year: '1943' } }]);
  });

  test('texts and conversations', async () => {
    const turns = JSON.stringify([
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: 'A' },
    ]);
    const texts = await readExamples(await fileOf('text\none\n"two\n\nthree"\n'));
    expect(texts.items.map(({ completion }) => completion)).toEqual(['one', 'two\n\nthree']);
    const chats = await readExamples(await fileOf(`messages\n"${turns.replaceAll('"', '""')}"\n`));
    expect(chats.items).toMatchObject([{ kind: 'messages', prompt: 'Q', completion: 'A' }]);
  });

  test.each<[string, string, number | undefined, RegExp]>([
    ['more cells than columns', 'question,answer\na,b\n\nc,d,e\n', 4, /has 3 cells.*names 2 columns.*a comma/],
    ['fewer cells than columns', 'question,answer\na\n', 2, /has 1 cell,/],
    ['a mark that is not closed', 'question,answer\na,b\n"c,d\ne,f\n', 3, /not closed up to the end/],
    ['a mark within a cell', 'question,answer\na,say "x"\n', 2, /quotation mark within a cell/],
    ['text behind a mark', 'question,answer\na,"b" c\n', 2, /text behind the quotation mark/],
    ['a column twice', 'question,answer,question\na,b,c\n', 1, /names the column "question" twice/],
    ['semicolons', 'question;answer\na;b\n', 1, /names one column, "question;answer".*commas/],
    ['no fields of an example', 'q,a\nb,c\n', 2, /needs "question" and "answer".*found "q", "a"/],
    ['an empty answer', 'question,answer\na,\n', 2, /empty "answer"/],
    ['a list that is none', 'question,answer,perturbed_answer\na,b,x\n', 2, /must be a JSON array in its cell/],
    ['a NUL byte', 'question,answer\na\0,b\n', 2, /NUL byte/],
    ['no rows', 'question,answer\n', undefined, /has no examples/],
  ])('refuses %s, and says where', async (_, content, line, problem) => {
    const file = await fileOf(content);
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(problem),
      details: line === undefined ? { file } : { file, line },
    });
  });

  test('a table without its name is known for one', async () => {
    const file = await fileOf('question,answer\na,b\n', 'txt');
    await expect(readExamples(file)).rejects.toMatchObject({ message: expect.stringContaining('is to be named .csv') });
  });

  test('gives back what was written, by the rows of RFC 4180', async () => {
    const text = fc
      .string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\t', ' ', '🙂'), minLength: 1, maxLength: 12 })
      .filter((cell) => cell.trim() !== '');
    const quote = (cell: string) => (/[",\n\t]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 6 }),
        fc.constantFrom([',', 'csv'], ['\t', 'tsv']),
        async (pairs, [delimiter, extension]) => {
          const rows = [['question', 'answer'], ...pairs].map((row) => row.map(quote).join(delimiter));
          const { items } = await readExamples(await fileOf(rows.join('\n'), extension));
          expect(items.map(({ prompt, completion }) => [prompt, completion])).toEqual(pairs);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('more rows than are parsed at a time, the wrong one among them', async () => {
    const rows = Array.from({ length: 1500 }, (_, i) => (i === 1000 ? 'a,"b" c' : `q${i},"a\n${i}"`));
    const file = await fileOf(['question,answer', ...rows].join('\n'));
    await expect(readExamples(file)).rejects.toMatchObject({ details: { line: 2 + 2 * 1000 } });
  });
});

describe('Parquet', () => {
  const sample = (name: string) => join(import.meta.dirname, 'parquet', `${name}.parquet`);

  test('rows of several groups, their lists and what is beside them, as pyarrow wrote them', async () => {
    const file = sample('questions');
    const { items, sha256 } = await readExamples(file);
    expect(sha256).toBe(
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    );
    expect(items.map(({ prompt, completion }) => [prompt, completion])).toEqual([
      ['Question 0?', 'Zoë 🙂'],
      ...[1, 2, 3].map((i) => [`Question ${i}?`, 'A']),
      ['Question 4?', 'It is\nthree.'],
    ]);
    expect(items.map(({ source }) => source)).toEqual([1, 2, 3, 4, 5].map((line) => ({ file, line })));
    expect(items.map(({ alternatives }) => alternatives?.perturbedAnswers)).toEqual([
      ['x', 'y'],
      [],
      undefined,
      ['z'],
      ['x', 'w'],
    ]);
    const seen = '2024-05-06T07:08:09.000Z';
    const [first, second, third] = items.map(({ attributes }) => attributes);
    expect(first).toEqual({
      ...{ author: 'Mara', year: '1943', living: 'true', score: '0.5', born: '1958-02-25', seen, kind: 'a' },
    });
    expect(second).toEqual({ author: 'Mara', living: 'false', seen, kind: 'b' });
    // An integer that a number does not hold is whole all the same.
    expect(third).toEqual({ year: String(2n ** 60n), seen, kind: 'a' });
  });

  test('conversations and texts', async () => {
    const { items } = await readExamples(sample('messages'));
    expect(items).toMatchObject([
      { kind: 'messages', prompt: 'Who?', completion: 'She.', attributes: { source: 'a' } },
      { kind: 'messages', prompt: 'Where?', completion: 'Here.' },
    ]);
    expect(items[0]!.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'She.' },
    ]);
    const texts = await readExamples(sample('texts'));
    expect(texts.items.map(({ kind, completion }) => [kind, completion])).toEqual([
      ['text', 'One document.'],
      ['text', 'Another.'],
    ]);
  });

  test.each(['none', 'gzip', 'brotli', 'delta_length_byte_array'])('what pyarrow wrote as %s', async (name) => {
    const whole = await readExamples(sample('questions'));
    const { items } = await readExamples(sample(name));
    const pair = ({ prompt, completion, attributes }: (typeof items)[number]) => [prompt, completion, attributes?.year];
    expect(items.map(pair)).toEqual(whole.items.map(pair));
  });

  test.each<[string, RegExp]>([
    ['lz4', /compressed by lz4_raw \(column question\); snappy, gzip, brotli.* are read.*compression="snappy"/],
    ['delta_byte_array', /in the encoding DELTA_BYTE_ARRAY; write it again/],
  ])('what is written as %s is named, with what to do', async (name, problem) => {
    await expect(readExamples(sample(name))).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(problem),
    });
  });

  test('Zstandard is read where Node has it', async () => {
    const has = 'zstdDecompressSync' in (await import('node:zlib'));
    const read = readExamples(sample('zstd'));
    if (has) expect((await read).items).toHaveLength(5);
    else await expect(read).rejects.toMatchObject({ message: expect.stringMatching(/zstd.*Node 22\.15/) });
  });

  test('a text that is no UTF-8 is named by its row', async () => {
    const file = sample('not-utf8');
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: `${file}:2 (row 2) has a "question" that must be a string, but is bytes that are no UTF-8`,
    });
  });

  test('is told by its first bytes, not by its name', async () => {
    const bytes = await readFile(sample('texts'));
    expect((await readExamples(await fileOf(bytes, 'jsonl'))).items).toHaveLength(2);
    const file = await fileOf('{"text":"a"}', 'parquet');
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringContaining('named as Parquet but does not begin'),
    });
    const pointer = await fileOf('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', 'parquet');
    await expect(readExamples(pointer)).rejects.toMatchObject({ message: expect.stringMatching(/LFS/) });
  });

  test.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['cut short', (bytes) => bytes.subarray(0, 200), /cut short/],
    [
      'with a footer longer than itself',
      (bytes) => {
        bytes.writeUInt32LE(1e9, bytes.length - 8);
        return bytes;
      },
      /longer than the file/,
    ],
    [
      // The footer begins with the version, then a list of structures: here one of 2^31 - 1.
      'with a schema of more elements than bytes',
      (bytes) => {
        const start = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
        bytes.set([0xfc, 0xff, 0xff, 0xff, 0xff, 0x07], start + 3);
        return bytes;
      },
      /longer list than it has bytes/,
    ],
  ])('a file %s is refused at once', async (_, change, problem) => {
    const file = await fileOf(change(Buffer.from(await readFile(sample('texts')))), 'parquet');
    await expect(readExamples(file)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(problem),
    });
  });

  test('a run of a billion levels in a page of few bytes is refused before it is decoded', async () => {
    const bytes = Buffer.from(await readFile(sample('none')));
    // The levels of the first column: their length, then a run of five ones.
    const at = bytes.indexOf(Buffer.from([2, 0, 0, 0, 10, 1]));
    expect(at).toBeGreaterThan(0);
    bytes.set([6, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 7, 1], at);
    await expect(readExamples(await fileOf(bytes, 'parquet'))).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringContaining('run of more values than its page'),
    });
  });
});
