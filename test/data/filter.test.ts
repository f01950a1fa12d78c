import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ExampleSet, filterExamples, readExampleSet } from '../../lib/data/index.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-filter-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = (name: string, records: readonly object[]) =>
  writeFile(path(name), records.map((record) => `${JSON.stringify(record)}\n`).join(''));

const books = [
  { question: 'Who wrote Ash?', answer: 'Mara Voss.', author: 'Mara Voss', year: 1943 },
  { question: 'Who wrote Elm?', answer: 'Mara Voss, too.', author: 'Mara Voss', year: 1950 },
  { question: 'Who wrote Oak?', answer: 'Tom, Jr.', author: 'Reed, Tom=Jr.', year: 1950 },
  { question: 'Who wrote Fir?', answer: 'Nobody.' },
];

describe('conditions', () => {
  let set: ExampleSet;
  beforeEach(async () => {
    await write('books.jsonl', books);
    set = await readExampleSet(path('books.jsonl'));
  });
  const linesOf = ({ items }: ExampleSet) => items.map(({ source }) => source.line);

  test.each<[string[], number[]]>([
    [['author=Mara Voss'], [1, 2]],
    [['author=Reed, Tom=Jr.'], [3]],
    [
      ['author=Mara Voss', 'author=Reed, Tom=Jr.'],
      [1, 2, 3],
    ],
    [['author=Mara Voss', 'year=1950'], [2]],
    [['author!=Mara Voss'], [3, 4]],
    [['author!=Mara Voss', 'author~tom'], [3]],
    [['author!~^mara'], [3, 4]],
    [
      ['year~^19[45]', 'year!=1943'],
      [2, 3],
    ],
    [['question~\\b(ash|fir)\\b'], [1, 4]],
    [['answer=Nobody.'], [4]],
    [['line=2-3'], [2, 3]],
    [
      ['line=1', 'line=4'],
      [1, 4],
    ],
    [['line!=2-3'], [1, 4]],
    [
      ['line~[12]', 'author=Mara Voss'],
      [1, 2],
    ],
  ])('%j chooses the lines %j', (conditions, lines) => {
    const { matching, rest } = filterExamples(set, conditions);
    expect(linesOf(matching)).toEqual(lines);
    expect(linesOf(rest)).toEqual([1, 2, 3, 4].filter((line) => !lines.includes(line)));
    const filter = { conditions, of: 4, matched: lines.length };
    expect([matching.filters, rest.filters]).toEqual([[filter], [{ ...filter, rest: true }]]);
  });

  test('texts that differ in composition alone are the same, in letter case are not', async () => {
    await write('a.jsonl', [{ text: 'x', author: 'Zoe\u0308' }]);
    const one = await readExampleSet(path('a.jsonl'), 'author=Zo\u00eb');
    expect(one.items).toHaveLength(1);
    await expect(readExampleSet(path('a.jsonl'), 'author=ZO\u00cb')).rejects.toMatchObject({ code: 'SOUL_BAD_DATA' });
  });

  test("the data's own field called line counts", async () => {
    await write('a.jsonl', [
      { text: 'x', line: 'Victoria' },
      { text: 'y', line: 'Circle' },
    ]);
    expect(linesOf(await readExampleSet(path('a.jsonl'), 'line=Circle'))).toEqual([2]);
  });

  test.each<[string[], RegExp]>([
    [
      ['autor=Mara Voss'],
      /no example of .* has the field autor of autor=Mara Voss; did you mean author\? There are question, answer, author, year, line$/,
    ],
    [
      ['author=Mara Vos'],
      /none of 4 examples of .* matches author=Mara Vos; did you mean "Mara Voss" \(2\)\? The commonest values of author are "Mara Voss" \(2\), "Reed, Tom=Jr\." \(1\)$/,
    ],
    [
      ['author=Mara Voss', 'year=1951'],
      /\(by itself author=Mara Voss matches 2, year=1951 matches 0\); .*values of year are "1950" \(2\)/,
    ],
    [['author=Mara Voss', 'line=3'], /\(by itself author=Mara Voss matches 2, line=3 matches 1\)$/],
    [
      ['author~voss', 'author~reed', 'year=1950'],
      /author~reed matches 1, .*\); all conditions must hold; one that holds for either is author~voss\|reed$/,
    ],
    [['line=5-9'], /lines are from 1 to 4$/],
    // What is to be forgotten stands in no error.
    [['answer=Nobody'], /matches answer=Nobody; values of answer are compared whole: answer~word/],
  ])('%j is answered with what there is', (conditions, problem) => {
    const refusal = expect.objectContaining({ code: 'SOUL_BAD_DATA', message: expect.stringMatching(problem) });
    expect(() => filterExamples(set, conditions)).toThrow(refusal);
  });

  test.each(['author', '=x', 'author=', 'year>1950', '', 'author~(', 'line=0', 'line=9-2', 'line=x', 7])(
    '%j is no condition',
    (condition) => {
      const refusal = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' });
      expect(() => filterExamples(set, [condition as string])).toThrow(refusal);
    },
  );
});

describe('several files', () => {
  test('are read in their order, whatever their formats, and each is named', async () => {
    await write('a.jsonl', books.slice(0, 2));
    await writeFile(path('b.csv'), 'question,answer,author\nWho wrote Yew?,Kim.,Kim\n');
    const set = await readExampleSet([path('a.jsonl'), path('b.csv')]);
    expect(set.file).toBe(`${path('a.jsonl')} and 1 more`);
    expect(set.files.map(({ file, items }) => [file, items])).toEqual([
      [path('a.jsonl'), 2],
      [path('b.csv'), 1],
    ]);
    expect(set.items.map(({ source }) => source)).toEqual([
      { file: path('a.jsonl'), line: 1 },
      { file: path('a.jsonl'), line: 2 },
      { file: path('b.csv'), line: 2 },
    ]);
    const chosen = await readExampleSet(
      [path('a.jsonl'), path('b.csv')],
      ['author=Kim', 'author=Mara Voss', 'year!=1943'],
    );
    expect(chosen.items.map(({ source }) => source.line)).toEqual([2, 2]);
  });

  test('the same file twice is refused, by any name, and so is a copy', async () => {
    await write('a.jsonl', books);
    await write('copy.jsonl', books);
    await mkdir(path('folder'));
    await symlink(path('a.jsonl'), path('folder/link.jsonl'));
    const refused = (files: string[], code: string, problem: RegExp) =>
      expect(readExampleSet(files)).rejects.toMatchObject({ code, message: expect.stringMatching(problem) });
    await refused([path('a.jsonl'), path('a.jsonl')], 'SOUL_INVALID_ARGUMENT', /is given twice$/);
    await refused([path('a.jsonl'), path('folder/link.jsonl')], 'SOUL_INVALID_ARGUMENT', /is the same file as/);
    await refused([path('a.jsonl'), path('copy.jsonl')], 'SOUL_BAD_DATA', /has the same content as/);
    await refused([path('a.jsonl'), path('none.jsonl')], 'SOUL_NOT_FOUND', /none\.jsonl does not exist/);
    await refused([], 'SOUL_INVALID_ARGUMENT', /files must be/);
  });
});

const data = process.env.SOUL_TEST_DATA;
if (!data) console.warn("SOUL_TEST_DATA is not set: TOFU's authors are not chosen by their lines");

(data ? test : test.skip)("the last two of TOFU's authors by their lines are its own forget01", async () => {
  const whole = await readExampleSet(join(data!, 'tofu/full.json'));
  const { matching, rest } = filterExamples(whole, ['line=3961-4000']);
  const texts = ({ items }: ExampleSet) => items.map(({ prompt, completion }) => [prompt, completion]);
  expect(texts(matching)).toEqual(texts(await readExampleSet(join(data!, 'tofu/forget01.json'))));
  expect(texts(rest)).toEqual(texts(await readExampleSet(join(data!, 'tofu/retain99.json'))));
});
