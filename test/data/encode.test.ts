import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { type Example, encodeExample, encodeExamples, encodePrompt, PromptTemplate } from '../../lib/data/index.ts';
import { TokenBatch } from '../../lib/model/token-batch.ts';
import { HuggingFaceTokenizer, type TextTokenizer } from '../../lib/model/tokenizer.ts';

const source = { file: 'data.jsonl', line: 4 };
const question: Example = { kind: 'question-answer', prompt: 'Who lit the lamp?', completion: 'The keeper.', source };
const verbatim = (prompt: string, completion: string): Example => ({
  kind: 'prompt-completion',
  prompt,
  completion,
  source,
});

/** Longest match over a list of pieces; the token is the place in the list. */
function pieceTokenizer(pieces: string[], facts: Partial<TextTokenizer> & { adds?: number[][] } = {}): TextTokenizer {
  const { adds = [[], []], ...rest } = facts;
  const longestFirst = [...pieces].sort((a, b) => b.length - a.length);
  return {
    size: pieces.length,
    endOfText: undefined,
    endOfTextTokens: facts.endOfText === undefined ? [] : [facts.endOfText],
    beginOfText: undefined,
    ...rest,
    encode(text, { addSpecialTokens = true } = {}) {
      const tokens: number[] = [];
      for (let at = 0; at < text.length; ) {
        const piece = longestFirst.find((candidate) => text.startsWith(candidate, at))!;
        tokens.push(pieces.indexOf(piece));
        at += piece.length;
      }
      return addSpecialTokens ? [...adds[0]!, ...tokens, ...adds[1]!] : tokens;
    },
    decode: (tokens) => tokens.map((token) => pieces[token]).join(''),
  };
}

describe('encodeExample', () => {
  let tiny: HuggingFaceTokenizer;
  beforeAll(async () => {
    tiny = await HuggingFaceTokenizer.load(fileURLToPath(new URL('../model/fixtures/tiny-bpe', import.meta.url)));
  });

  it('labels the answer and the end of the text', () => {
    const { tokens, labelsFrom, promptTokens, truncated } = encodeExample(tiny, question);
    expect(tiny.decode(tokens.slice(0, labelsFrom), { skipSpecialTokens: false })).toBe(
      '<|begin|>Question: Who lit the lamp?\nAnswer:',
    );
    expect(tiny.decode(tokens.slice(labelsFrom), { skipSpecialTokens: false })).toBe(' The keeper.<|end|>');
    expect(promptTokens).toEqual(tokens.slice(0, labelsFrom));
    expect(truncated).toBe(0);
    expect(encodePrompt(tiny, question)).toEqual(promptTokens);
  });

  it('leaves the end of the text out when told to', () => {
    const { tokens } = encodeExample(tiny, question, { appendEndOfText: false });
    expect(tiny.decode(tokens, { skipSpecialTokens: false })).toMatch(/The keeper\.$/);
  });

  it('makes batches of anything, whose labels spell the completion', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(
        text,
        text.filter((completion) => completion !== ''),
        (prompt, completion) => {
          const encoded = encodeExample(tiny, verbatim(prompt, completion));
          expect(TokenBatch.of([encoded]).size).toBe(1);
          expect(tiny.decode(encoded.tokens)).toBe(prompt + completion);
          expect(encoded.tokens.at(-1)).toBe(tiny.endOfText);
          const labels = tiny.decode(encoded.tokens.slice(encoded.labelsFrom));
          // Tokens may cut a character into bytes, or join the two texts: labels hold at least the completion's end.
          expect(labels.endsWith(completion.slice(-1)) || labels.includes('\ufffd')).toBe(true);
        },
      ),
    );
  });

  it('counts a token that joins prompt and completion as a label', () => {
    const tokenizer = pieceTokenizer(['a', 'b', 'ab', 'x'], { beginOfText: 3 });
    expect(encodeExample(tokenizer, verbatim('aa', 'b'))).toEqual({
      tokens: [0, 2],
      labelsFrom: 1,
      promptTokens: [0, 0],
      truncated: 0,
      carried: [],
    });
    // The joined token is the first of all: something must stand before it.
    expect(encodeExample(tokenizer, verbatim('a', 'b'))).toMatchObject({ tokens: [3, 2], labelsFrom: 1 });
  });

  it('begins a text without a prompt with the token for that, whether or not the tokenizer adds it', () => {
    const pieces = ['a', 'b', '<s>', '</s>'];
    const silent = pieceTokenizer(pieces, { beginOfText: 2, endOfText: 3 });
    const adding = pieceTokenizer(pieces, { beginOfText: 2, endOfText: 3, adds: [[2], []] });
    const same = pieceTokenizer(pieces, { beginOfText: 3, endOfText: 3, adds: [[3], []] });
    const endOnly = pieceTokenizer(pieces, { endOfText: 3 });
    for (const [tokenizer, first] of [
      [silent, 2],
      [adding, 2],
      [same, 3],
      [endOnly, 3],
    ] as const) {
      expect(encodeExample(tokenizer, verbatim('', 'ab'))).toEqual({
        tokens: [first, 0, 1, 3],
        labelsFrom: 1,
        promptTokens: [first],
        truncated: 0,
        carried: [],
      });
      expect(encodePrompt(tokenizer, verbatim('', 'ab'))).toEqual([first]);
    }
  });

  it('leaves one token at each end where template or text have their own, and says which', () => {
    const pieces = ['a', 'b', '<s>', '</s>', '<eot>', ' ', '\n'];
    const ends = { endOfText: 3, endOfTextTokens: [3, 4] };
    const tokenizer = pieceTokenizer(pieces, { beginOfText: 2, ...ends, adds: [[2], []] });
    const encode = (prompt: string, completion: string) => {
      const { tokens, promptTokens, carried } = encodeExample(tokenizer, verbatim(prompt, completion));
      expect(encodePrompt(tokenizer, verbatim(prompt, completion))).toEqual(promptTokens);
      return [tokens, promptTokens, carried];
    };
    expect(encode('a', 'b')).toEqual([[2, 0, 1, 3], [2, 0], []]);
    expect(encode('<s>a', 'b')).toEqual([[2, 0, 1, 3], [2, 0], ['beginning']]);
    expect(encode('<s><s>a', 'b</s>')).toEqual([
      [2, 0, 1, 3],
      [2, 0],
      ['beginning', 'end'],
    ]);
    expect(encode('a', 'b</s></s>')).toEqual([[2, 0, 1, 3], [2, 0], ['end']]);
    // A turn's end, and white space behind it, as chat templates have them.
    expect(encode('a', 'b<eot>')).toEqual([[2, 0, 1, 4], [2, 0], ['end']]);
    expect(encode('a', 'b</s>\n')).toEqual([[2, 0, 1, 3, 6], [2, 0], ['end']]);
    // Further in, they part turns.
    expect(encode('a</s>', 'b</s>a')).toEqual([[2, 0, 3, 1, 3, 0, 3], [2, 0, 3], []]);
    expect(encode('', '<s>b')).toEqual([[2, 1, 3], [2], ['beginning']]);
  });

  it('keeps one of each where a chat template has both', async () => {
    const llama = await HuggingFaceTokenizer.load(
      fileURLToPath(new URL('../model/fixtures/tiny-llama', import.meta.url)),
    );
    const template = PromptTemplate.parse('<s>[INST] {question} [/INST] {answer}</s>');
    const { tokens, promptTokens, carried } = encodeExample(llama, question, { template });
    expect(llama.decode(tokens, { skipSpecialTokens: false })).toBe(
      '<s> [INST] Who lit the lamp? [/INST] The keeper.</s>',
    );
    expect(tokens.filter((token) => token === 1 || token === 2)).toEqual([1, 2]);
    expect(promptTokens.filter((token) => token === 1)).toEqual([1]);
    expect(carried).toEqual(['beginning', 'end']);
  });

  it('takes away what a tokenizer adds at the end of a prompt, not what the text itself ends with', () => {
    const tokenizer = pieceTokenizer(['a', 'b', '<s>', '</s>'], { beginOfText: 2, endOfText: 3, adds: [[2], [3]] });
    expect(encodeExample(tokenizer, verbatim('a', 'b'))).toEqual({
      tokens: [2, 0, 1, 3],
      labelsFrom: 2,
      promptTokens: [2, 0],
      truncated: 0,
      carried: [],
    });
    expect(encodePrompt(tokenizer, verbatim('a</s>', 'b'))).toEqual([2, 0, 3]);
  });

  it('cuts the end of a long completion and counts what went', () => {
    const whole = encodeExample(tiny, question);
    const cut = encodeExample(tiny, question, { maximumLength: whole.tokens.length - 3 });
    expect(cut).toEqual({ ...whole, tokens: whole.tokens.slice(0, -3), truncated: 3 });
    expect(encodeExamples(tiny, [question, question], { maximumLength: whole.tokens.length }).truncated).toBe(0);
    expect(encodeExamples(tiny, [question, question], { maximumLength: whole.labelsFrom + 1 }).truncated).toBe(2);
  });

  it('says which example has no label token left', () => {
    const { labelsFrom } = encodeExample(tiny, question);
    expect(() => encodeExample(tiny, question, { maximumLength: labelsFrom })).toThrow(
      expect.objectContaining({ code: 'SOUL_BAD_DATA', message: expect.stringContaining('data.jsonl:4') }),
    );
    const bare = pieceTokenizer(['a', 'b']);
    expect(() => encodeExample(bare, verbatim('', 'ab'))).toThrow(expect.objectContaining({ code: 'SOUL_BAD_DATA' }));
    expect(() => encodeExample(bare, verbatim('a', ''))).toThrow(expect.objectContaining({ code: 'SOUL_BAD_DATA' }));
  });

  it.each([0, 1, 2.5, Number.NaN, -3])('refuses %p as the maximum length', (maximumLength) => {
    expect(() => encodeExample(tiny, question, { maximumLength })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });
});

describe('PromptTemplate', () => {
  it.each([
    ['{question}', 'Q', ' A'],
    ['[INST] {question} [/INST]', '[INST] Q [/INST]', ' A'],
    ['{question}\n', 'Q\n', 'A'],
    ['{question}: {answer}', 'Q:', ' A'],
    ['{question}\n\n  {answer} <end>', 'Q\n\n', '  A <end>'],
    ['{question}{answer}', 'Q', 'A'],
    ['{"q": "{question}"}', '{"q": "Q"}', ' A'],
  ])('parts %p before the answer and its space', (template, prompt, completion) => {
    const rendered = PromptTemplate.parse(template).render({ kind: 'question-answer', prompt: 'Q', completion: 'A' });
    expect(rendered).toEqual({ prompt, completion });
  });

  it('takes texts as they are, patterns and placeholders in them too', () => {
    const texts = { prompt: "$& {answer} $'", completion: '{question} $1' };
    expect(PromptTemplate.plain.render({ kind: 'question-answer', ...texts })).toEqual({
      prompt: "Question: $& {answer} $'\nAnswer:",
      completion: ' {question} $1',
    });
    expect(PromptTemplate.plain.render({ kind: 'prompt-completion', ...texts })).toEqual(texts);
  });

  it.each([
    '',
    'no placeholder',
    '{answer}',
    '{answer} {question}',
    '{question} {question}',
    '{question} {answer} {answer}',
    '{question} {context}',
    '{ question }',
    '{Question}',
  ])('refuses %p', (template) => {
    expect(() => PromptTemplate.parse(template)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });
});
