/**
 * Data sets from files: JSON lines or one JSON array.
 *
 * @module
 */

import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import type { Example, ExampleAlternatives } from './example.ts';
import { badLine, openLines } from './lines.ts';

export interface DataFile<T> {
  readonly file: string;
  /** Hexadecimal SHA-256 of the file's bytes. */
  readonly sha256: string;
  readonly items: readonly T[];
}

type Report = (problem: string) => SoulError;

/**
 * Reads a data set: one JSON object a line with `question` and `answer`, or with `prompt` and `completion`; blank lines
 * are skipped. A file that begins with `[` is read as one JSON array of such objects. TOFU's fields
 * `paraphrased_question`, `paraphrased_answer` and `perturbed_answer` are kept as alternatives, others are ignored.
 *
 * @throws SoulError SOUL_NOT_FOUND for a missing file; SOUL_BAD_FILE for one that cannot be read; SOUL_BAD_DATA, with
 *   `file` and `line` in the details, for the first record that is not usable, and for a file without any
 */
export async function readExamples(file: string): Promise<DataFile<Example>> {
  checkFile(file);
  const source = openLines(file);
  const items: Example[] = [];
  let array: string[] | undefined;
  for await (const { number, text } of source.lines) {
    if (array) {
      array.push(text);
      continue;
    }
    if (text.trim() === '') continue;
    if (items.length === 0 && text.trimStart().startsWith('[')) {
      array = [text];
      continue;
    }
    const report: Report = (problem) => badLine(file, number, problem);
    items.push(toExample(parseLine(text, report), { file, line: number }, report));
  }
  if (array) items.push(...readArray(file, array.join('\n')));
  if (items.length === 0) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `the data file ${file} has no examples; expected one JSON object a line with "question" and "answer", or "prompt" and "completion"`,
      { file },
    );
  }
  return { file, sha256: source.sha256(), items };
}

/**
 * Reads a plain text file, one entry a line (a list of refusals); lines are trimmed and blank ones skipped.
 *
 * @throws SoulError as {@link readExamples}
 */
export async function readLines(file: string): Promise<DataFile<string>> {
  checkFile(file);
  const source = openLines(file);
  const items: string[] = [];
  for await (const { text } of source.lines) {
    const trimmed = text.trim();
    if (trimmed !== '') items.push(trimmed);
  }
  if (items.length === 0) {
    throw new SoulError('SOUL_BAD_DATA', `the file ${file} has no text; expected one entry a line`, { file });
  }
  return { file, sha256: source.sha256(), items };
}

function checkFile(file: unknown): void {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) throw invalidArgument('file', 'a path', file);
}

function parseLine(text: string, report: Report): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw report(`is not valid JSON (${(error as Error).message}); each line must be one whole JSON object`);
  }
}

function readArray(file: string, text: string): Example[] {
  let records: unknown;
  try {
    records = JSON.parse(text);
  } catch (cause) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `the data file ${file} begins with "[" but is not a valid JSON array (${(cause as Error).message})`,
      { file },
      { cause },
    );
  }
  return (records as unknown[]).map((record, i) =>
    toExample(record, { file, line: i + 1 }, (problem) =>
      badLine(file, i + 1, `(record ${i + 1} of the array) ${problem}`),
    ),
  );
}

function toExample(record: unknown, source: Example['source'], report: Report): Example {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw report(`must be a JSON object, but is ${describe(record)}`);
  }
  const fields = record as Record<string, unknown>;
  const [kind, promptName, completionName] = fieldNames(fields, report);
  const prompt = readText(fields, promptName, report);
  const completion = readText(fields, completionName, report);
  // A prompt without text is a completion from the start of a text; a question without text is a mistake.
  if (kind === 'question-answer' && prompt.trim() === '') throw report(`has an empty "${promptName}"`);
  if (completion.trim() === '') throw report(`has an empty "${completionName}"`);
  const alternatives = readAlternatives(fields, report);
  return { kind, prompt, completion, source, ...(alternatives ? { alternatives } : {}) };
}

function fieldNames(fields: Record<string, unknown>, report: Report): [Example['kind'], string, string] {
  const has = (name: string): boolean => Object.hasOwn(fields, name);
  const pairs: [Example['kind'], string, string][] = [
    ['question-answer', 'question', 'answer'],
    ['prompt-completion', 'prompt', 'completion'],
  ];
  const whole = pairs.filter(([, first, second]) => has(first) && has(second));
  if (whole.length > 1) throw report('has both "question"/"answer" and "prompt"/"completion"; keep one pair');
  if (whole[0]) return whole[0];
  for (const [, first, second] of pairs) {
    if (has(first)) throw report(`has "${first}" but no "${second}"`);
    if (has(second)) throw report(`has "${second}" but no "${first}"`);
  }
  const found = Object.keys(fields)
    .slice(0, 8)
    .map((name) => describe(name));
  throw report(
    `needs "question" and "answer", or "prompt" and "completion"; found ${found.length > 0 ? found.join(', ') : 'no fields'}`,
  );
}

function readText(fields: Record<string, unknown>, name: string, report: Report): string {
  return checkText(fields[name], `"${name}"`, report);
}

function checkText(value: unknown, what: string, report: Report): string {
  if (typeof value !== 'string') throw report(`has a ${what} that must be a string, but is ${describe(value)}`);
  // Half of a surrogate pair, written as an escape: no tokenizer can turn it into bytes.
  if (/\p{Surrogate}/u.test(value)) throw report(`has a ${what} with half of a surrogate pair, which is no character`);
  return value;
}

function readAlternatives(fields: Record<string, unknown>, report: Report): ExampleAlternatives | undefined {
  const optional = (name: string): string | undefined =>
    Object.hasOwn(fields, name) && fields[name] !== null ? readText(fields, name, report) : undefined;
  const paraphrasedQuestion = optional('paraphrased_question');
  const paraphrasedAnswer = optional('paraphrased_answer');
  const perturbed = Object.hasOwn(fields, 'perturbed_answer') ? (fields.perturbed_answer ?? undefined) : undefined;
  if (perturbed !== undefined && !Array.isArray(perturbed)) {
    throw report(`has a "perturbed_answer" that must be an array of strings, but is ${describe(perturbed)}`);
  }
  const perturbedAnswers = perturbed?.map((answer, i) => checkText(answer, `"perturbed_answer"[${i}]`, report));
  if (paraphrasedQuestion === undefined && paraphrasedAnswer === undefined && perturbedAnswers === undefined)
    return undefined;
  return {
    ...(paraphrasedQuestion === undefined ? {} : { paraphrasedQuestion }),
    ...(paraphrasedAnswer === undefined ? {} : { paraphrasedAnswer }),
    ...(perturbedAnswers === undefined ? {} : { perturbedAnswers }),
  };
}
