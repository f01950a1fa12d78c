import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { shownText } from '../../lib/cli/commands/data.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { captured } from './captured.ts';

let folder: string;
const path = (name: string) => join(folder, name);
const lines = (...records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-data-'));
  // A model without weights, which are not asked for.
  const { size } = await writeWordTokenizer(path('model'), [
    'Question: Who?\nAnswer: Nobody.',
    'User: Who? Model: One.',
  ]);
  await writeFile(
    path('model/config.json'),
    JSON.stringify({ model_type: 'llama', vocab_size: size, max_position_embeddings: 64 }),
  );
  await writeFile(
    path('forget.jsonl'),
    lines({ question: 'Who?', answer: 'Nobody.' }, { question: 'Who?', answer: 'One.' }),
  );
  await writeFile(path('retain.jsonl'), lines({ question: 'Who?', answer: 'Nobody.' }));
});
afterAll(() => rm(folder, { recursive: true }));

const look = (...words: string[]) => captured('data', path('forget.jsonl'), '--model', path('model'), ...words);

test('data shows what a model sees, and what stands in the retain set too', async () => {
  const { code, out, err } = await look('--retain', path('retain.jsonl'), '--show', '1');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(
    /forget\.jsonl:1 \(question-answer\): \d+ tokens, \d+ of them labels\n<s>Question: Who\?\nAnswer:⟦ Nobody\.<\/s>⟧\n/,
  );
  expect(out).toMatch(/in the retain set too +1\n/);
  expect(out).toMatch(/note: .*forget\.jsonl:1 stands in .*retain\.jsonl too \(.*retain\.jsonl:1\)/);
  expect(out).not.toContain('forget.jsonl:2 (');
});

test('data takes the chat template of the model, unless told otherwise, as JSON too', async () => {
  await writeFile(
    path('model/chat_template.jinja'),
    "{% for m in messages %}{{ 'User: ' + m.content if m.role == 'user' else ' Model: ' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %} Model:{% endif %}",
  );
  const preview = async (...words: string[]) => JSON.parse((await look('--json', ...words)).out);
  const chat = await preview('--filter', 'line=2');
  expect(chat).toMatchObject({
    examples: 1,
    files: [{ items: 2 }],
    filters: [{ matched: 1 }],
    template: { kind: 'chat', file: 'chat_template.jinja', date: '2024-07-26' },
    shown: [{ parts: [{ text: 'User: Who? Model:' }, { text: ' One.</s>', isLabel: true }] }],
  });
  expect(await preview('--filter', 'line=2', '--retain-rest')).toMatchObject({
    examples: 1,
    retain: { examples: 1, filters: [{ matched: 1, rest: true }] },
  });
  // A filter that leaves nothing to keep is to be seen.
  const all = await look('--filter', 'question~who', '--retain-rest');
  expect(all.out).toMatch(/examples to keep +0\n/);
  expect(all.out.match(/note: /g)).toHaveLength(1);
  expect((await look('--retain-rest')).code).toBe(2);
  expect(await preview('--template', 'plain', '--max-length', '8')).toMatchObject({
    template: { kind: 'text' },
    maximumLength: 8,
  });
  const none = await look('--template', 'plain', '--system', 'Be brief.', '--json');
  expect(none.code).toBe(2);
  expect(JSON.parse(none.out).error.message).toMatch(/system prompt \(--system\) belongs to a chat template/);
});

test('labels are coloured where there is colour, else in brackets', () => {
  const parts = [
    { text: 'a', isLabel: false },
    { text: ' b', isLabel: true },
  ];
  const example = { source: { file: 'f', line: 1 }, kind: 'text', tokens: 3, labels: 2, truncated: 4, parts } as const;
  expect(shownText(example, false)).toBe('f:1 (text): 3 tokens, 2 of them labels, 4 more cut off\na⟦ b⟧');
  expect(shownText(example, true)).toContain('a\u001b[32m b\u001b[39m');
});
