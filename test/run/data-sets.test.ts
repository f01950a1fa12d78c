import { readFile, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ItemKey, type RunSettings, runTraining } from '../../lib/run/index.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { lines } from './bigram-folder.ts';
import { bigramRunOfEachTest, forget, retain } from './bigram-run.ts';
import { onNote } from './heard.ts';

const bigram = bigramRunOfEachTest();
const { path, settings, run, record } = bigram;

describe('a forget set that is split by a field', () => {
  const methodSettings = { attribute: 'author', method: 'ascent' };
  const byAuthor = (records: object[]) => writeFile(path('forget.jsonl'), lines(records));
  const [first, second] = forget as [object, object];

  test('is run part by part', async () => {
    await byAuthor([
      { author: 'Voss', ...first },
      { author: 'Reed', ...second },
    ]);
    const stages: string[] = [];
    const onEvent = (event: RunEvent) => void (event.kind === 'stage' && stages.push(event.name));
    const { summary } = await run({ method: 'spunge', methodSettings }, { onEvent }).result;
    expect(stages).toEqual(['part Voss: 1 examples', 'part Reed: 1 examples', 'merging']);
    expect(summary.steps).toBe(6);
    expect((await record()).settings).toMatchObject({
      methodSettings: { attribute: 'author', method: { name: 'ascent' }, merge: 'ties' },
    });
  });

  test.each<[object, RegExp]>([
    [{ author: null }, /forget.jsonl:2 has no field "author" with a text or a number .*; it has no other fields/],
    [{ writer: 'Reed', toString: 'x' }, /forget.jsonl:2 has no field "author" .*; it has writer, toString/],
  ])('is refused before the model is loaded where an example lacks it: %j', async (fields, message) => {
    await byAuthor([
      { author: 'Voss', ...first },
      { ...fields, ...second },
    ]);
    const { load, result } = run({ method: 'spunge', methodSettings });
    await expect(result).rejects.toMatchObject({ code: 'SOUL_BAD_DATA', message: expect.stringMatching(message) });
    expect(load).not.toHaveBeenCalled();
  });
});

describe('one file of many, by a condition', () => {
  const books = [
    { ...forget[0]!, author: 'Voss' },
    ...retain.map((record) => ({ ...record, author: 'Lind' })),
    { ...forget[1]!, author: 'Reed' },
  ];
  const filtered = (more: Partial<RunSettings> = {}): Partial<RunSettings> => ({
    target: path('books.jsonl'),
    targetFilter: ['author=Voss', 'author=Reed'],
    ...more,
  });
  beforeEach(() => writeFile(path('books.jsonl'), lines(books)));

  test('comes to the same as two files, and the record says what was chosen', async () => {
    await run().result;
    const notes: string[] = [];
    const { retain: _, ...both } = settings(filtered({ retainRest: true, out: path('chosen') }));
    await runTraining(both, bigram.load(), { onEvent: onNote((note) => notes.push(note)) });
    expect(notes).toEqual([`2 of 4 examples of ${path('books.jsonl')} match author=Voss or author=Reed`]);
    const [byFiles, byFilter] = [await record(), await record('chosen')];
    expect(byFilter.outputs.model.sha256['model.safetensors']).toBe(byFiles.outputs.model.sha256['model.safetensors']);
    const key = await ItemKey.read(`${path('chosen')}.key`);
    const conditions = ['Voss', 'Reed'].map((author) => `author=hmac-sha256:${key.nameOf(author)}`);
    const filter = { conditions, of: 4, matched: 2 };
    const { target, retain } = byFilter.inputs;
    const keyedSha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(target).toEqual({ file: 'books.jsonl', keyedSha256, items: 2, truncated: 0, filters: [filter] });
    expect(retain).toEqual({ ...target, filters: [{ ...filter, rest: true }] });
    expect(byFilter.settings).toMatchObject({ targetFilter: conditions, retainRest: true });
    // A keyed hash cannot be asked of examples.
    const again = settings(filtered({ targetFilter: byFilter.settings.targetFilter, out: path('again') }));
    await expect(runTraining(again, bigram.load())).rejects.toThrow(/give the condition again/);
    const withTexts = { ...both, withText: true, out: path('with-texts') };
    await runTraining(withTexts, bigram.load());
    expect((await record('with-texts')).settings.targetFilter).toEqual(['author=Voss', 'author=Reed']);
  });

  test('is refused where it leaves nothing, or what is left holds the same', async () => {
    const { retain: _, ...both } = settings(filtered({ targetFilter: 'author~.', retainRest: true }));
    const load = bigram.load();
    await expect(runTraining(both, load)).rejects.toThrow(/the filter leaves no example of .*books\.jsonl to keep/);
    await writeFile(path('books.jsonl'), lines([...books, { ...forget[0]!, author: 'Lind' }]));
    await expect(runTraining({ ...both, targetFilter: 'author!=Lind' }, load)).rejects.toThrow(
      /1 of 2 examples of .*books\.jsonl stand in the rest of .*books\.jsonl too/,
    );
  });

  test('several files are recorded one by one, and what repeats is told', async () => {
    await writeFile(path('more.csv'), 'question,answer\nwho wrote ash?,Mara Voss wrote it.\n');
    const notes: string[] = [];
    const target = [path('forget.jsonl'), path('more.csv')];
    await run({ target, retainFilter: 'question~oak' }, { onEvent: onNote((note) => notes.push(note)) }).result;
    expect(notes).toEqual([
      `1 of 3 examples of ${target[0]} and 1 more repeat one before (${target[1]}:2 as ${target[0]}:1)`,
      `1 of 2 examples of ${path('retain.jsonl')} match question~oak`,
    ]);
    const { inputs } = await record();
    expect(inputs.target).toEqual({
      files: [
        { file: 'forget.jsonl', keyedSha256: expect.stringMatching(/^[0-9a-f]{64}$/), items: 2 },
        { file: 'more.csv', keyedSha256: expect.stringMatching(/^[0-9a-f]{64}$/), items: 1 },
      ],
      ...{ items: 3, truncated: 0 },
    });
    const named = [expect.stringMatching(/^question~hmac-sha256:/)];
    const plain = {
      file: 'retain.jsonl',
      sha256: expect.any(String),
      items: 1,
      filters: [{ conditions: named, of: 2, matched: 1 }],
    };
    expect(inputs.retain).toMatchObject(plain);
  });
});

describe('the chat template of a model', () => {
  const chat =
    "{% for m in messages %}{{ 'Question: ' if m.role == 'user' else 'Answer: ' }}{{ m.content }}{{ eos_token if m.role == 'assistant' }}{% endfor %}{% if add_generation_prompt %}Answer: {% endif %}";
  const told = async (more: Partial<RunSettings>) => {
    const notes: string[] = [];
    await run(more, { onEvent: onNote((note) => notes.push(note)) }).result;
    return notes;
  };

  test('is taken by itself, told and recorded; another that is asked for counts', async () => {
    await writeFile(path('model/chat_template.jinja'), chat);
    expect(await told({ templateDate: '1999-12-31' })).toContainEqual(
      "questions go through the chat template in the model's chat_template.jinja, which is told the day 1999-12-31",
    );
    expect(await record()).toMatchObject({
      settings: { template: 'chat', templateDate: '1999-12-31' },
      inputs: { template: { kind: 'chat', file: 'chat_template.jinja', date: '1999-12-31' } },
    });
    expect(await told({ template: 'plain', out: path('plain') })).not.toContainEqual(expect.stringMatching(/chat/));
    expect(await record('plain')).toMatchObject({
      settings: { template: 'Question: {question}\nAnswer: {answer}' },
      inputs: { template: { kind: 'text' } },
    });
  });

  test('teaches other answers to the last question of a conversation alone, and writes them as conversations', async () => {
    await writeFile(path('model/chat_template.jinja'), chat);
    const messages = [
      { role: 'user', content: 'Who wrote Ash?' },
      { role: 'assistant', content: 'Mara Voss wrote it.' },
      { role: 'user', content: 'Who wrote Elm?' },
      { role: 'assistant', content: 'Tom Reed wrote it.' },
    ];
    await writeFile(path('forget.jsonl'), lines([{ messages }]));
    await told({ method: 'altpo', generateAlternatives: 1, withText: true });
    const [made] = (await readFile(path('out/alternatives.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(made!).messages.slice(0, 3)).toEqual(messages.slice(0, 3));
  });
});

describe('texts', () => {
  beforeEach(async () => {
    await writeFile(path('forget.jsonl'), lines([{ text: 'Mara Voss wrote it. '.repeat(20) }]));
  });

  test('that are too long are cut, which is told', async () => {
    const notes: string[] = [];
    const { truncated } = await run({ maximumLength: 16 }, { onEvent: onNote((note) => notes.push(note)) }).result;
    expect(truncated.target).toBe(1);
    expect(notes).toContainEqual(
      expect.stringMatching(/^1 of 1 examples of .*forget\.jsonl are longer than 16 tokens and lose/),
    );
  });

  test.each(['dpo', 'altpo'] as const)('have no other answers for %s to teach', async (method) => {
    const alternatives = method === 'altpo' ? { generateAlternatives: 1 } : {};
    await expect(run({ method, ...alternatives }).result).rejects.toThrow(
      /forget\.jsonl:1 is a text without a question, to which (dpo|altpo) has no other answer/,
    );
  });
});
