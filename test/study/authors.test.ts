import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { encodeExamples, readExamples, refusals } from '../../lib/data/index.ts';
import { HuggingFaceTokenizer } from '../../lib/model/tokenizer.ts';
import type { Author } from '../../lib/study/author.ts';
import { authorTexts, fictitiousAuthors, mostAuthors, writeAuthors } from '../../lib/study/authors.ts';
import { wordTokenizer, writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-authors-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('fictitiousAuthors', () => {
  it('is a function of its options', () => {
    expect(fictitiousAuthors({ seed: 1n }).records).toEqual(fictitiousAuthors({ seed: 1n }).records);
    expect(fictitiousAuthors({ seed: 1n }).records).not.toEqual(fictitiousAuthors({ seed: 2n }).records);
    // More authors leave those before them as they are.
    expect(fictitiousAuthors({ seed: 1n, authors: 50 }).records.slice(0, 400)).toEqual(
      fictitiousAuthors({ seed: 1n }).records,
    );
  });

  it('gives every author a name, a birth date and titles of their own, at the most authors too', () => {
    for (const count of [40, mostAuthors]) {
      const { authors } = fictitiousAuthors({ seed: 7n, authors: count });
      for (const fact of ['name', 'birthDate'] satisfies (keyof Author)[]) {
        expect(new Set(authors.map((author) => author[fact])).size).toBe(count);
      }
      expect(new Set(authors.flatMap((author) => [author.firstBook, author.famousBook])).size).toBe(2 * count);
    }
  });

  it('asks each question once, answers with the facts, and never calls a right answer wrong', () => {
    const { authors, records } = fictitiousAuthors({ seed: 3n, authors: mostAuthors });
    expect(new Set(records.map((record) => record.question)).size).toBe(records.length);
    expect(new Set(records.map((record) => record.paraphrased_question)).size).toBe(records.length);
    for (const [i, record] of records.entries()) {
      expect(record.author).toBe(authors[Math.floor(i / 10)]!.name);
      expect(`${record.question} ${record.answer}`).toContain(record.author);
      expect(record.perturbed_answer).toHaveLength(5);
      expect(new Set([record.answer, record.paraphrased_answer, ...record.perturbed_answer]).size).toBe(7);
      const length = record.answer.split(' ').length;
      expect(length).toBeGreaterThanOrEqual(8);
      expect(length).toBeLessThanOrEqual(25);
    }
  });

  it('splits by whole authors', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 11 }),
        (authors, questionsPerAuthor, forgetAuthors) => {
          fc.pre(forgetAuthors < authors);
          const { records, split } = fictitiousAuthors({ seed: 5n, authors, questionsPerAuthor, wrongAnswers: 1 });
          const { forget, retain } = split({ forgetAuthors });
          expect([...retain, ...forget]).toEqual(records);
          expect(forget).toHaveLength(forgetAuthors * questionsPerAuthor);
          const kept = new Set(retain.map((record) => record.author));
          expect(forget.some((record) => kept.has(record.author))).toBe(false);
        },
      ),
      { numRuns: 30 },
    );
  });

  it.each([
    [{ authors: 0 }],
    [{ authors: mostAuthors + 1 }],
    [{ authors: 2.5 }],
    [{ questionsPerAuthor: 11 }],
    [{ wrongAnswers: 6 }],
    [{ seed: 1 as never }],
  ])('refuses %p', (options) => {
    expect(() => fictitiousAuthors({ seed: 0n, ...options })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });

  it.each([0, 40, -1])('refuses to forget %p of 40 authors', (forgetAuthors) => {
    expect(() => fictitiousAuthors({ seed: 0n }).split({ forgetAuthors })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });
});

describe('writeAuthors', () => {
  it('writes files that read back with their alternatives', async () => {
    const files = await writeAuthors(join(folder, 'data'), { seed: 0n, authors: 5, forgetAuthors: 2 });
    const { forget, retain } = fictitiousAuthors({ seed: 0n, authors: 5 }).split({ forgetAuthors: 2 });
    for (const [file, records] of [
      [files.forget, forget],
      [files.retain, retain],
    ] as const) {
      const { items } = await readExamples(file);
      expect(items.map(({ prompt, completion, alternatives }) => ({ prompt, completion, alternatives }))).toEqual(
        records.map((record) => ({
          prompt: record.question,
          completion: record.answer,
          alternatives: {
            paraphrasedQuestion: record.paraphrased_question,
            paraphrasedAnswer: record.paraphrased_answer,
            perturbedAnswers: record.perturbed_answer,
          },
        })),
      );
    }
  });
});

describe('the word tokenizer', () => {
  it('has a small vocabulary, and gives every text of the study back exactly', async () => {
    const { records } = fictitiousAuthors({ seed: 0n });
    const texts = authorTexts(records);
    const { size } = await writeWordTokenizer(join(folder, 'tokenizer'), [...texts, ...refusals]);
    const tokenizer = await HuggingFaceTokenizer.load(join(folder, 'tokenizer'));
    expect(tokenizer).toMatchObject({ size, beginOfText: 1, endOfText: 2 });
    expect(size).toBeGreaterThan(500);
    expect(size).toBeLessThan(1500);
    for (const text of [...texts, ...refusals, ...refusals.map((refusal) => ` ${refusal}`)]) {
      const tokens = tokenizer.encode(text);
      expect(tokens[0]).toBe(1);
      expect(tokens).not.toContain(0);
      expect(tokenizer.decode(tokens)).toBe(text);
    }
  });

  it('labels the whole answer and nothing of the question', async () => {
    const files = await writeAuthors(join(folder, 'labels'), { seed: 0n, authors: 4, forgetAuthors: 1 });
    await writeWordTokenizer(join(folder, 'labels'), files.texts);
    const tokenizer = await HuggingFaceTokenizer.load(join(folder, 'labels'));
    const { items } = await readExamples(files.retain);
    for (const [i, { tokens, labelsFrom }] of encodeExamples(tokenizer, items).encoded.entries()) {
      expect(tokenizer.decode(tokens.slice(labelsFrom), { skipSpecialTokens: false })).toBe(
        ` ${items[i]!.completion}</s>`,
      );
    }
  });

  it('gives known texts back whatever their spaces and signs, and marks unknown words', async () => {
    const texts = [
      'one two',
      "don't -- well-known",
      'a  b\n\nc\t d ',
      'caf\u00e9 \u4f60\u597d \u{1f600}!',
      '__proto__ 12 7',
    ];
    await writeWordTokenizer(join(folder, 'signs'), texts);
    const tokenizer = await HuggingFaceTokenizer.load(join(folder, 'signs'));
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode('one three', { addSpecialTokens: false })[1]).toBe(0);
    expect(tokenizer.encode(' one', { addSpecialTokens: false })).not.toContain(0);
  });

  it('puts frequent words first and refuses texts without any', () => {
    const vocabulary = JSON.parse(wordTokenizer(['x y', 'x y', 'x z']).files['tokenizer.json']).model.vocab;
    expect(vocabulary).toMatchObject({ '[UNK]': 0, '<s>': 1, '</s>': 2, x: 3 });
    expect(() => wordTokenizer(['', ''])).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });
});
