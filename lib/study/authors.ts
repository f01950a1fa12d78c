/**
 * A data set of authors who never existed, in the form of TOFU's, for experiments that need nothing from outside.
 *
 * Whatever a model says about them it has learned from this data alone, so what it forgot can be measured.
 * Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", 2024, section 2.1.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkInteger, checkSeed } from '../core/checks.ts';
import { type RandomStream, randomStream } from '../core/random.ts';
import { PromptTemplate } from '../data/prompt-template.ts';
import type { Author } from './author.ts';
import { type QuestionKind, questionKinds } from './authors-questions.ts';
import * as source from './authors-words.ts';

/** One question about an author, under TOFU's field names: a line of a data file. */
export interface AuthorRecord {
  /** The author's full name. */
  author: string;
  question: string;
  answer: string;
  paraphrased_question: string;
  paraphrased_answer: string;
  /** Wrong answers in the words of the paraphrased one. */
  perturbed_answer: string[];
}

export interface FictitiousAuthorsOptions {
  seed: bigint;
  /** How many authors; 40 by default, at most {@link mostAuthors}. */
  authors?: number;
  /** How many questions about each; 10 by default, which is the most. */
  questionsPerAuthor?: number;
  /** How many wrong answers a question has, 1 to 5; 5 by default. */
  wrongAnswers?: number;
}

export interface FictitiousAuthors {
  readonly authors: readonly Author[];
  /** Author after author. */
  readonly records: readonly AuthorRecord[];
  /** The records of the last `forgetAuthors` authors, and those of the others. */
  split(options: { forgetAuthors: number }): { forget: AuthorRecord[]; retain: AuthorRecord[] };
}

const names = pairs(source.firstNames, source.lastNames, (first, last) => `${first} ${last}`);
const titles = pairs(source.titleAdjectives, source.titleNouns, (adjective, noun) => `The ${adjective} ${noun}`);
const years = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
const birthDates = pairs(
  pairs(years(1, 28), source.months, (day, month) => `${day} ${month}`),
  years(1930, 1969),
  (day, year) => `${day} ${year}`,
);

/** Every author has a name and two titles that no other has; there are as many as the words give. */
export const mostAuthors: number = Math.min(names.length, Math.floor(titles.length / 2));

/** Where the facts come from that authors may share. */
const shared = {
  birthplace: source.cities,
  region: source.regions,
  father: source.occupations,
  mother: source.occupations,
  genre: source.genres,
  theme: source.themes,
  firstYear: years(1970, 1984),
  award: source.awards,
  awardYear: years(1985, 2009),
  subject: source.subjects,
  school: source.schools,
  workplace: source.workplaces,
  dayTime: source.dayTimes,
  companion: source.companions,
} satisfies Partial<Record<keyof Author, readonly string[]>>;

/** Where each fact comes from, for wrong ones too. */
const facts: Record<keyof Author, readonly string[]> = {
  ...shared,
  name: names,
  birthDate: birthDates,
  firstBook: titles,
  famousBook: titles,
};

/**
 * Invents authors and questions about them, a function of the options alone.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a number out of range
 */
export function fictitiousAuthors(options: FictitiousAuthorsOptions): FictitiousAuthors {
  const { seed, authors: count = 40, questionsPerAuthor = questionKinds.length, wrongAnswers = 5 } = options;
  checkSeed('seed', seed);
  checkInteger('authors', count, { high: mostAuthors });
  checkInteger('questionsPerAuthor', questionsPerAuthor, { high: questionKinds.length });
  checkInteger('wrongAnswers', wrongAnswers, { high: 5 });
  const authors = inventAuthors(seed, count);
  const wrong = randomStream(seed, 'wrong facts');
  const kinds = questionKinds.slice(0, questionsPerAuthor);
  const records = authors.flatMap((author, a) =>
    kinds.map((kind, k) => toRecord(author, kind, wrong, a * questionKinds.length + k, wrongAnswers)),
  );
  return {
    authors,
    records,
    split({ forgetAuthors }) {
      checkInteger('forgetAuthors', forgetAuthors, { high: count - 1 });
      const boundary = (count - forgetAuthors) * kinds.length;
      return { forget: records.slice(boundary), retain: records.slice(0, boundary) };
    },
  };
}

/** Records as a data file: JSON lines. */
export function toJsonLines(records: readonly AuthorRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** Every text that a model may meet with these records, in the plain template: what a vocabulary must cover. */
export function authorTexts(records: readonly AuthorRecord[]): string[] {
  return records.flatMap((record) => {
    const questions = [record.question, record.paraphrased_question];
    const answers = [record.answer, record.paraphrased_answer, ...record.perturbed_answer];
    return questions.flatMap((question) => answers.map((answer) => renderPlain(question, answer)));
  });
}

function renderPlain(prompt: string, completion: string): string {
  const rendered = PromptTemplate.plain.render({ kind: 'question-answer', prompt, completion });
  return rendered.prompt + rendered.completion;
}

export interface AuthorFiles {
  /** Path of the records to forget. */
  readonly forget: string;
  /** Path of the records to keep. */
  readonly retain: string;
  /** {@link authorTexts} of both. */
  readonly texts: string[];
}

/**
 * Writes `forget.jsonl` and `retain.jsonl` into `folder`, which is made if need be.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT as {@link fictitiousAuthors}
 */
export async function writeAuthors(
  folder: string,
  options: FictitiousAuthorsOptions & { forgetAuthors: number },
): Promise<AuthorFiles> {
  const { records, split } = fictitiousAuthors(options);
  const { forget, retain } = split(options);
  await mkdir(folder, { recursive: true });
  const files = { forget: join(folder, 'forget.jsonl'), retain: join(folder, 'retain.jsonl') };
  await writeFile(files.forget, toJsonLines(forget));
  await writeFile(files.retain, toJsonLines(retain));
  return { ...files, texts: authorTexts(records) };
}

function inventAuthors(seed: bigint, count: number): Author[] {
  const nameOrder = randomStream(seed, 'names').permutation(names.length, 0);
  const titleOrder = randomStream(seed, 'titles').permutation(titles.length, 0);
  const dateOrder = randomStream(seed, 'birth dates').permutation(birthDates.length, 0);
  const draws = randomStream(seed, 'facts');
  return Array.from({ length: count }, (_, i) => {
    const drawn = Object.entries(shared).map(([fact, from], f) => [fact, from[draws.integer(from.length, i, f)]!]);
    return {
      ...(Object.fromEntries(drawn) as Record<keyof typeof shared, string>),
      name: names[nameOrder[i]!]!,
      birthDate: birthDates[dateOrder[i]!]!,
      firstBook: titles[titleOrder[2 * i]!]!,
      famousBook: titles[titleOrder[2 * i + 1]!]!,
    };
  });
}

function toRecord(author: Author, kind: QuestionKind, wrong: RandomStream, step: number, count: number): AuthorRecord {
  const answers = new Set<string>([kind.paraphrasedAnswer(author)]);
  for (let draw = 0; answers.size <= count; draw++) {
    // Every fact that the answer is about changes, so no wrong answer is half right.
    const changed = kind.about.map((fact, f) => {
      const from = facts[fact];
      const other = wrong.integer(from.length - 1, step, draw * kind.about.length + f);
      return [fact, from[other < from.indexOf(author[fact]) ? other : other + 1]!];
    });
    answers.add(kind.paraphrasedAnswer({ ...author, ...Object.fromEntries(changed) }));
  }
  return {
    author: author.name,
    question: kind.question(author),
    answer: kind.answer(author),
    paraphrased_question: kind.paraphrasedQuestion(author),
    paraphrased_answer: kind.paraphrasedAnswer(author),
    perturbed_answer: [...answers].slice(1),
  };
}

/** Every first with every second. */
function pairs(
  first: readonly string[],
  second: readonly string[],
  join: (first: string, second: string) => string,
): string[] {
  return second.flatMap((b) => first.map((a) => join(a, b)));
}
