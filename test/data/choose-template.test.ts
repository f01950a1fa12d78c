import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkTemplate, chooseTemplate } from '../../lib/data/choose-template.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { readChatTemplate } from '../../lib/model/chat-template-file.ts';
import { characterTokenizer } from './chat-templates/tokenizer.ts';

const own = "{% for m in messages %}{{ '<|open|>' + m.content + '<|close|>' }}{% endfor %}";
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-template-'));
});
afterEach(() => rm(folder, { recursive: true }));

const config = (content: object) => writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(content));
const choose = (asked: Parameters<typeof chooseTemplate>[2] = {}) =>
  chooseTemplate(folder, characterTokenizer(), asked);

test('the default is the chat template of the model, else the plain one', async () => {
  expect(await choose()).toBe(PromptTemplate.plain);
  await config({ chat_template: own });
  expect(await choose()).toMatchObject({
    setting: 'chat',
    record: { kind: 'chat', file: 'tokenizer_config.json', date: '2024-07-26' },
  });
  expect((await choose({ template: 'chat' })).setting).toBe('chat');
  expect(await choose({ template: 'plain' })).toBe(PromptTemplate.plain);
  const text = 'Q: {question}';
  expect((await choose({ template: text })).record).toEqual({ kind: 'text', text: 'Q: {question} {answer}' });
  // What a record of the setting says leads to the same template.
  expect((await choose({ template: PromptTemplate.plain.setting })).setting).toBe(PromptTemplate.plain.setting);
});

test('what cannot be had is refused', async () => {
  await expect(choose({ template: 'chat' })).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  await expect(choose({ system: 'Be brief.' })).rejects.toThrow(
    /system prompt .* belongs to a chat template; .* has none/,
  );
  await expect(choose({ system: 'Be brief.', template: 'plain' })).rejects.toThrow(/another was asked for/);
  expect(() => checkTemplate('neither')).toThrow(/\{question\}/);
  for (const word of ['chat', 'plain', '{question}']) expect(() => checkTemplate(word)).not.toThrow();
});

test('a file of its own counts before the configuration, and of several the default', async () => {
  await config({
    chat_template: [
      { name: 'tool_use', template: 'x' },
      { name: 'default', template: own },
    ],
  });
  expect(await readChatTemplate(folder)).toMatchObject({ text: own, file: 'tokenizer_config.json' });
  await writeFile(join(folder, 'chat_template.jinja'), `${own}\n`);
  expect(await readChatTemplate(folder)).toEqual({
    text: `${own}\n`,
    file: 'chat_template.jinja',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test.each([
  [
    { chat_template: [{ name: 'tool_use', template: own }] },
    'SOUL_UNSUPPORTED',
    /chat templates \(tool_use\), but none/,
  ],
  [{ chat_template: 5 }, 'SOUL_BAD_FILE', /must be a text, or a list/],
  [{ chat_template: [{ name: 'default' }] }, 'SOUL_BAD_FILE', /must be a text, or a list/],
])('%j is refused', async (content, code, message) => {
  await config(content);
  await expect(readChatTemplate(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test('no template is none', async () => {
  for (const content of [{}, { chat_template: null }, { chat_template: [] }]) {
    await config(content);
    expect(await readChatTemplate(folder)).toBeUndefined();
  }
});
