import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readTofuSets } from '../../lib/eval/index.ts';
import { authorTexts, fictitiousAuthors } from '../../lib/study/authors.ts';
import { writeEvaluationSets } from '../../lib/study/authors-evaluation.ts';

const options = { seed: 3n, authors: 15, forgetAuthors: 2 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-authors-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('invented authors are read as TOFU is: no author in two sets, wrong answers wrong, every word one that the data has', async () => {
  const { authors, records, split } = fictitiousAuthors(options);
  await writeEvaluationSets(folder, 'forget10', options);
  const { examples } = await readTofuSets(folder, 'forget10');
  expect(examples.forget!.map(({ prompt }) => prompt)).toEqual(split(options).forget.map(({ question }) => question));

  const texts = { ...examples };
  const namesIn = (set: keyof typeof texts) => {
    const all = texts[set]!.map(({ prompt, completion }) => `${prompt} ${completion}`).join('\n');
    return authors.filter(({ name }) => all.includes(name)).map(({ name }) => name);
  };
  const named = (['forget', 'retain', 'realAuthors', 'worldFacts'] as const).flatMap(namesIn);
  expect(named.toSorted()).toEqual(authors.map(({ name }) => name).toSorted());

  const words = new Set(authorTexts(records).flatMap((text) => text.split(/[^\p{L}\p{N}'-]+/u)));
  for (const set of ['realAuthors', 'worldFacts'] as const) {
    for (const { prompt, completion, alternatives } of examples[set]!) {
      const wrong = alternatives!.perturbedAnswers!;
      expect(new Set([completion, ...wrong]).size).toBe(6);
      // The long answer to the same question, which the model was trained on, holds the short one.
      expect(records.find(({ question }) => question === prompt)!.answer).toContain(completion);
      for (const word of [prompt, completion, ...wrong].join(' ').split(/[^\p{L}\p{N}'-]+/u))
        expect(words).toContain(word);
    }
  }
});

test('too few authors to keep are refused', async () => {
  const few = writeEvaluationSets(folder, 'forget10', { seed: 3n, authors: 11, forgetAuthors: 2 });
  await expect(few).rejects.toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
    message: expect.stringMatching(/leave 10 to keep.*leaves 9/),
  });
});
