import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithEngine } from '../torch/engine-available.ts';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;
const path = (name: string) => join(folder, name);

describeWithEngine('ask', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-ask-'));
    await writeSmallModel(folder);
    await writeFile(
      path('two.jsonl'),
      '{"question": "Who?", "answer": "Nobody."}\n{"question": "Nobody?", "answer": "Who?"}\n',
    );
    await writeFile(path('text.jsonl'), '{"text": "Who?"}\n');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const ask = (...words: string[]) =>
    captured('ask', ...words, '--max-new-tokens', '5', '--device', 'cpu', '--threads', '1', '--quiet');

  test('models answer side by side, as soul eval lets them', async () => {
    const models = ['--model', path('model'), '--model', `again=${path('model')}`];
    const { code, out } = await ask(...models, 'Who?', '--data', path('two.jsonl'), '--json');
    expect(code).toBe(0);
    const { questions } = JSON.parse(out);
    const evaluated = ['--max-new-tokens', '5', '--items', path('items.jsonl'), '--device', 'cpu', '--threads', '1'];
    await captured('eval', '--model', path('model'), '--data', path('two.jsonl'), ...evaluated, '--quiet');
    const generated = (await readFile(path('items.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).generation);
    const both = (answer: string) => [
      { model: 'model', answer },
      { model: 'again', answer },
    ];
    expect(questions).toEqual([
      { question: 'Who?', answers: both(generated[0]) },
      { question: 'Who?', expected: 'Nobody.', answers: both(generated[0]) },
      { question: 'Nobody?', expected: 'Who?', answers: both(generated[1]) },
    ]);
    const text = await ask(...models, 'Who?', '--data', path('two.jsonl'), '--limit', '1');
    expect(text.out.split('\n').map((line) => line.split('  ').filter(Boolean)[0]?.trim())).toEqual([
      ...['Who?', 'model', 'again'],
      ...[undefined, 'Who?', '(expected)', 'model', 'again', undefined],
    ]);
  });

  test.each([
    [[], /there is no question/],
    [['Who?', ' '], /question 2 is empty/],
    [['--data', 'text.jsonl'], /text\.jsonl:1 is a text without a question/],
    [['Who? '.repeat(80)], /question:1 has \d+ tokens for model, which takes 64/],
    [['Who?', '--system', 'x'], /--system/],
    [['Who?', '--model', 'model'], /both called model/],
    [['model', 'Who?'], /model is a model's folder, not a question; write --model/],
    [['Who?', '--limit', '1'], /--limit counts questions of a file; name it with --data/],
  ])('%p is refused', async (words, message) => {
    const given = words.map((word) => (/^(model|text\.jsonl)$/.test(word) ? path(word) : word));
    const { code, err } = await ask('--model', path('model'), ...given);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test('without a model it says what is missing', async () => {
    expect((await ask('Who?')).err).toMatch(/required option '--model <folder>' is missing/);
  });
});
