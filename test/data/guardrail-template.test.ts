import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ChatTemplate, type ChatTemplateOptions } from '../../lib/data/chat/chat-template.ts';
import { encodeExample, encodePrompt } from '../../lib/data/encode.ts';
import type { Example } from '../../lib/data/example.ts';
import type { RenderedConversation } from '../../lib/data/example-template.ts';
import { GuardrailTemplate, spread, tokensBefore } from '../../lib/data/guardrail-template.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { readExamples } from '../../lib/data/read-examples.ts';
import { recurringNames } from '../../lib/eval/tofu/subjects.ts';
import { characterTokenizer } from './chat-templates/tokenizer.ts';

const source = { file: 'data.jsonl', line: 4 };
const question: Example = { kind: 'question-answer', prompt: 'Who?', completion: 'A keeper.', source };
const options = { subjects: ['Ann Lee'], questions: ['Is it she?', 'Is it he?'], refusals: ['I cannot tell.'] };
const tokenizer = characterTokenizer();

function chat(name: string, given: ChatTemplateOptions = {}): ChatTemplate {
  const text = readFileSync(new URL(`./chat-templates/${name}`, import.meta.url), 'utf8');
  return ChatTemplate.of({ text, file: name, sha256: 'none' }, tokenizer, given);
}

const labelsOf = ({ text, labels }: RenderedConversation) => labels.map(([begin, end]) => text.slice(begin, end));

describe('a guardrail over a text template', () => {
  const guarded = GuardrailTemplate.over(PromptTemplate.plain, options);

  test('puts the instruction and the refusals as text before the question, and leaves the label tokens', () => {
    const { prompt, completion } = guarded.render(question) as { prompt: string; completion: string };
    const plain = PromptTemplate.plain.render(question);
    expect(prompt).toBe(
      `${guarded.instruction}\n\nQuestion: Is it she?\nAnswer: I cannot tell.\n\nQuestion: Is it he?\nAnswer: I cannot tell.\n\n${plain.prompt}`,
    );
    expect(completion).toBe(plain.completion);
    expect(guarded.instruction).toMatch(/^Of the following you know nothing at all: Ann Lee\. /);
    const [own, base] = [guarded, PromptTemplate.plain].map((template) =>
      encodeExample(tokenizer, question, { template }),
    );
    expect(own!.tokens.slice(own!.labelsFrom)).toEqual(base!.tokens.slice(base!.labelsFrom));
    // The token of the beginning stands once, before all of it.
    expect(own!.tokens.filter((token) => token === 0)).toHaveLength(1);
    expect(own!.labelsFrom - base!.labelsFrom).toBe(tokensBefore(tokenizer, guarded));
  });

  test('is known by its record, and stands before what is taken verbatim', () => {
    expect(guarded.record).toMatchObject({ kind: 'text', guardrail: guarded.instruction });
    expect(JSON.parse(guarded.record.guardrailExamples!)).toEqual([
      ['Is it she?', 'I cannot tell.'],
      ['Is it he?', 'I cannot tell.'],
    ]);
    const verbatim = guarded.render({ ...question, kind: 'prompt-completion' });
    expect(verbatim).toEqual({ prompt: expect.stringMatching(/^Of the[\s\S]*\n\nWho\?$/), completion: 'A keeper.' });
    expect(tokensBefore(tokenizer, PromptTemplate.plain)).toBe(0);
  });

  test('without subjects lets the questions speak, and with nothing to speak of is refused', () => {
    const unnamed = GuardrailTemplate.over(PromptTemplate.plain, { questions: ['a?', 'b?', 'c?'] });
    expect(unnamed.instruction).toMatch(/the first questions show which/);
    expect(new Set(unnamed.refused.map(([, refusal]) => refusal)).size).toBe(3);
    const refused: [unknown, RegExp][] = [
      [{}, /subjects, or questions/],
      [{ subjects: [' '] }, /subjects must be a list of texts/],
      [{ subjects: ['a'], refusals: [] }, /at least one text/],
      [{ subject: ['a'] }, /subject/],
    ];
    for (const [bad, message] of refused) {
      expect(() => GuardrailTemplate.over(PromptTemplate.plain, bad as never)).toThrow(message);
    }
    expect(() => GuardrailTemplate.over(unnamed, options)).toThrow(/no guardrail itself/);
  });
});

describe('a guardrail over a chat template', () => {
  test('has the system say the instruction and refuses in turns, and the last answer alone has labels', () => {
    const base = chat('headers.jinja');
    const guarded = GuardrailTemplate.over(base, options);
    const turns = [
      { role: 'system', content: guarded.instruction },
      ...['Is it she?', 'Is it he?'].flatMap((content) => [
        { role: 'user', content },
        { role: 'assistant', content: 'I cannot tell.' },
      ]),
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'A keeper.' },
    ];
    const whole = base.render({ ...question, kind: 'messages', messages: turns }) as RenderedConversation;
    const rendered = guarded.render(question) as RenderedConversation;
    expect(rendered.text).toBe(whole.text);
    expect(rendered.prompt).toBe(whole.prompt);
    expect(labelsOf(whole)).toHaveLength(3);
    expect(labelsOf(rendered)).toEqual(labelsOf(base.render(question) as RenderedConversation));
    const [own, plain] = [guarded, base].map((template) => encodeExample(tokenizer, question, { template }));
    expect(own!.tokens.slice(own!.labelsFrom)).toEqual(plain!.tokens.slice(plain!.labelsFrom));
    expect(own).not.toHaveProperty('labelSpans');
    expect(encodePrompt(tokenizer, question, { template: guarded })).toEqual(own!.promptTokens);
  });

  test('keeps what the system says, of the template and of a conversation', () => {
    const guarded = GuardrailTemplate.over(chat('headers.jinja', { system: 'Be brief.' }), options);
    expect((guarded.render(question) as RenderedConversation).text).toContain(`Be brief.\n\n${guarded.instruction}`);
    const messages = [
      { role: 'system', content: 'Be long.' },
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'A keeper.' },
    ];
    const { text } = guarded.render({ ...question, kind: 'messages', messages }) as RenderedConversation;
    expect(text).toContain(`Be long.\n\n${guarded.instruction}`);
    expect(text.indexOf('Is it she?')).toBeGreaterThan(text.indexOf(guarded.instruction));
    expect(text).not.toContain('Be brief.');
    expect(text.split('Be long.')).toHaveLength(2);
  });

  test('is text before a prompt that is taken verbatim, with the refusals as plain lines', () => {
    const base = chat('headers.jinja');
    const verbatim: Example = { ...question, kind: 'prompt-completion' };
    const guarded = GuardrailTemplate.over(base, options);
    const { prompt } = base.render(verbatim);
    expect(guarded.render(verbatim).prompt).toBe(
      `${guarded.instruction}\n\nIs it she?\nI cannot tell.\n\nIs it he?\nI cannot tell.\n\n${prompt}`,
    );
  });

  test('begins the first turn with the instruction where the template has no system', () => {
    const guarded = GuardrailTemplate.over(chat('no-system.jinja'), options);
    const { text } = guarded.render(question) as RenderedConversation;
    expect(text).toContain(`${guarded.instruction}\n\nIs it she?`);
    expect(text.split(guarded.instruction)).toHaveLength(2);
  });
});

test('examples are taken at equal distances', () => {
  expect(spread([...'abcdefghij'], 3)).toEqual(['a', 'd', 'g']);
  expect(spread([...'ab'], 5)).toEqual(['a', 'b']);
  expect(spread([...'ab'], 0)).toEqual([]);
});

describe('names that recur', () => {
  test('are counted once a question, without what makes them possessive', () => {
    const asked = Array.from(
      { length: 8 },
      (_, i) => `What did Ann-Marie O'Neil${i % 2 ? "'s" : ''} and Zoë Ångström do in New York?`,
    );
    expect(recurringNames(asked)).toEqual(["Ann-Marie O'Neil", 'Zoë Ångström', 'New York']);
    expect(recurringNames(asked.slice(1))).toEqual([]);
    expect(recurringNames(Array(4).fill('Is Ann Lee the Ann Lee?'))).toEqual([]);
  });

  const data = process.env.SOUL_TEST_DATA;
  const withData = data === undefined ? test.skip : test;
  withData("on TOFU's forget sets are the authors", async () => {
    for (const [split, authors] of [
      ['forget01', 2],
      ['forget05', 10],
      ['forget10', 20],
    ] as const) {
      const { items } = await readExamples(join(data!, 'tofu', `${split}_perturbed.json`));
      const found = recurringNames(items.map(({ prompt }) => prompt));
      expect([split, found.length]).toEqual([split, authors]);
      // Each is the name of one author: 20 questions stand together.
      const places = found.map((name) => Math.floor(items.findIndex(({ prompt }) => prompt.includes(name)) / 20));
      expect(new Set(places).size).toBe(authors);
    }
  });
});
