import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { countDuplicates, countOverlap, type Example, readExamples } from '../../lib/data/index.ts';

let folder: string;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-conversations-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(...records: object[]): Promise<readonly Example[]> {
  const file = join(folder, `${++written}.jsonl`);
  await writeFile(file, records.map((record) => JSON.stringify(record)).join('\n'));
  return (await readExamples(file)).items;
}

const turn = (role: string, content: unknown) => ({ role, content });
const asked = [turn('user', 'Who?'), turn('assistant', 'She.')];

describe('conversations', () => {
  test('are read whole, with the last question and its answer', async () => {
    const messages = [turn('system', ''), ...asked, turn('user', 'And then?'), turn('assistant', 'He.')];
    const [example] = await read({ messages, prompt: 'an attribute', id: 7 });
    expect(example).toEqual({
      kind: 'messages',
      messages,
      prompt: 'And then?',
      completion: 'He.',
      source: example!.source,
      attributes: { prompt: 'an attribute', id: '7' },
    });
  });

  test("ShareGPT's names and parts of text come to the same", async () => {
    const parts = (text: string) => [
      { type: 'text', text: text.slice(0, 1) },
      { type: 'text', text: text.slice(1) },
    ];
    const forms = await read(
      { messages: asked },
      { messages: asked.map(({ role, content }) => turn(role, parts(content as string))) },
      {
        conversations: [
          { from: 'human', value: 'Who?' },
          { from: 'gpt', value: 'She.' },
        ],
      },
      { conversations: asked },
    );
    for (const { kind, messages } of forms) expect([kind, messages]).toEqual(['messages', asked]);
  });

  test.each<[string, object, RegExp]>([
    ['that ends with the user', { messages: asked.slice(0, 1) }, /must end with a turn of the assistant.* "user"/],
    ['without the user', { messages: asked.slice(1) }, /without a turn of the user/],
    ['without a turn', { messages: [] }, /without a turn/],
    ['that is a text', { messages: 'Who?' }, /"messages" that must be an array of turns, but is "Who\?"/],
    ['with an empty answer', { messages: [asked[0], turn('assistant', ' ')] }, /the assistant's, is empty/],
    ['with an empty question', { messages: [turn('user', ''), asked[1]] }, /last turn of the user is empty/],
    ['with a turn that is a text', { messages: ['Who?', asked[1]] }, /"messages"\[0\] that must be an object/],
    ['with a turn of other fields', { messages: [{ speaker: 'a' }, asked[1]] }, /\[0\].*found "speaker"/],
    [
      'with a turn without text',
      { messages: [turn('user', null), asked[1]] },
      /\[0\]\."content" that must be a string/,
    ],
    [
      'with an image',
      { messages: [turn('user', [{ type: 'image', url: 'x' }]), asked[1]] },
      /\[0\]\."content"\[0\] of type "image"; parts of type "text" alone/,
    ],
    ['beside a question and an answer', { messages: asked, question: 'q', answer: 'a' }, /keep one of them/],
  ])('one %s is refused', async (_, record, problem) => {
    await expect(read({ text: 'fine' }, record)).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(problem),
      details: { line: 2 },
    });
  });
});

test('a text is a document where no other fields make an example, and an attribute beside them', async () => {
  const items = await read({ text: 'A document.', source: 'web' }, { question: 'q', answer: 'a', text: 'beside' });
  expect(items.map(({ source: _, ...others }) => others)).toEqual([
    { kind: 'text', prompt: '', completion: 'A document.', attributes: { source: 'web' } },
    { kind: 'question-answer', prompt: 'q', completion: 'a', attributes: { text: 'beside' } },
  ]);
  await expect(read({ text: ' ' })).rejects.toMatchObject({ message: expect.stringContaining('empty "text"') });
});

describe('what stands twice', () => {
  test('is found across kinds: a conversation of one question is that question', async () => {
    const system = turn('system', 'Be brief.');
    const forget = await read(
      { question: 'Who?', answer: 'She.' },
      { messages: [system, ...asked] },
      { messages: [...asked, turn('user', 'Who?'), turn('assistant', 'She.')] },
      { text: 'A document.' },
      { messages: [turn('user', 'who? '), turn('assistant', 'Nobody.')] },
      { prompt: 'Another:', completion: ' she.' },
    );
    const retain = await read({ messages: asked }, { text: 'a  document.' });
    expect(countOverlap(forget, retain)).toEqual({
      // The third goes on from another beginning, and so does the sixth.
      exact: 3,
      samePrompt: 1,
      sameCompletion: 2,
      first: { forget: forget[0]!.source, retain: retain[0]!.source },
    });
    expect(countDuplicates(forget)).toEqual({
      count: 1,
      first: { example: forget[1]!.source, before: forget[0]!.source },
    });
    expect(countDuplicates(retain)).toEqual({ count: 0 });
  });
});
