/**
 * Evaluation sets in the form of TOFU's, of invented authors.
 *
 * TOFU has, beside what was fine-tuned on, real authors and facts of the world. There is no world here but the authors that the model was
 * trained on, so short questions about such as are kept stand in: their names and books for real authors, single facts of their lives
 * for the world's. No author is in two sets.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { randomStream } from '../core/random.ts';
import type { Author } from './author.ts';
import { type FictitiousAuthorsOptions, fictitiousAuthors } from './authors.ts';
import { questionKinds } from './authors-questions.ts';

/** A question whose answer is a few words, under TOFU's field names. */
export interface ShortRecord {
  question: string;
  answer: string;
  perturbed_answer: string[];
}

/** What stands in for real authors, and for facts of the world: of questions, the first fact that they are about. */
const authorFacts: readonly (keyof Author)[] = ['name', 'firstBook', 'famousBook'];
const worldFacts: readonly (keyof Author)[] = ['birthplace', 'father', 'genre', 'award', 'subject'];

const wrongAnswers = 5;

/**
 * Writes `<split>_perturbed.json`, `retain_perturbed.json`, `real_authors_perturbed.json` and `world_facts_perturbed.json` into `folder`,
 * which is made if need be: the forget set is that of the last `forgetAuthors`, of the others every third is in each other set. Their
 * words are all among those of the authors' records.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT as {@link fictitiousAuthors}, and for too few authors
 */
export async function writeEvaluationSets(
  folder: string,
  split: string,
  options: FictitiousAuthorsOptions & { forgetAuthors: number },
): Promise<void> {
  const { authors, records, split: splitBy } = fictitiousAuthors(options);
  const { forget } = splitBy(options);
  const kept = authors.slice(0, authors.length - options.forgetAuthors);
  if (kept.length < 2 * wrongAnswers) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `authors must leave ${2 * wrongAnswers} to keep, of whom wrong answers are, but leaves ${kept.length}`,
      { argument: 'authors' },
    );
  }
  const third = (which: number) => kept.filter((_, i) => i % 3 === which);
  const retained = new Set(third(0).map(({ name }) => name));
  const sets: Record<string, readonly object[]> = {
    [split]: forget,
    retain: records.filter(({ author }) => retained.has(author)),
    real_authors: shortRecords(options.seed, third(1), kept, authorFacts),
    world_facts: shortRecords(options.seed, third(2), kept, worldFacts),
  };
  await mkdir(folder, { recursive: true });
  for (const [name, lines] of Object.entries(sets)) {
    await writeFile(join(folder, `${name}_perturbed.json`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}

/** Wrong answers are what is true of others. */
function shortRecords(
  seed: bigint,
  authors: readonly Author[],
  others: readonly Author[],
  facts: readonly (keyof Author)[],
): ShortRecord[] {
  const draws = randomStream(seed, 'short questions');
  return authors.flatMap((author, a) =>
    facts.map((fact, f) => {
      const answers = [...new Set(others.map((other) => other[fact]))].filter((answer) => answer !== author[fact]);
      const order = draws.permutation(answers.length, a * facts.length + f);
      const kind = questionKinds.find(({ about }) => about[0] === fact)!;
      return {
        question: kind.question(author),
        answer: author[fact],
        perturbed_answer: [...order.slice(0, wrongAnswers)].map((index) => answers[index]!),
      };
    }),
  );
}
