/**
 * Data sets from files: JSON lines or one JSON array.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { Example, ExampleAlternatives } from './example.ts';
import { checkText, found, foundFields, type Report, readJsonRecords, whyContainer } from './json-records.ts';
import { openLines } from './lines.ts';

export interface DataFile<T> {
  readonly file: string;
  /** Hexadecimal SHA-256 of the file's bytes. */
  readonly sha256: string;
  readonly items: readonly T[];
}

const wanted = 'object with "question" and "answer", or "prompt" and "completion",';

/**
 * Reads a data set: one JSON object a line with `question` and `answer`, or with `prompt` and `completion`; blank lines
 * are skipped. A file that begins with `[` is read as one JSON array of such objects. TOFU's fields
 * `paraphrased_question`, `paraphrased_answer` and `perturbed_answer` are kept as alternatives, and others that hold a text, a
 * number, or true or false as attributes. `NaN`, which Python writes for missing values, is read as null.
 *
 * @throws SoulError SOUL_NOT_FOUND for a missing file; SOUL_BAD_FILE for one that cannot be read, or that is no text in UTF-8;
 *   SOUL_BAD_DATA, with `file` and `line` in the details, for the first record that is not usable, and for a file without any
 */
export async function readExamples(file: string): Promise<DataFile<Example>> {
  const source = openLines(file);
  const items: Example[] = [];
  for await (const { value, line, report } of readJsonRecords(file, source.lines)) {
    items.push(toExample(value, { file, line }, report));
  }
  if (items.length === 0) {
    throw new SoulError('SOUL_BAD_DATA', `the data file ${file} has no examples; expected one JSON ${wanted} a line`, {
      file,
    });
  }
  return { file, sha256: source.sha256(), items };
}

function toExample(record: unknown, source: Example['source'], report: Report): Example {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw report(`must be a JSON ${wanted} but is ${found(record)}`);
  }
  const fields = record as Record<string, unknown>;
  const [kind, promptName, completionName] = fieldNames(fields, report);
  if (isColumn(fields[promptName]) && isColumn(fields[completionName])) {
    throw report(
      'holds whole columns, not one record; write one object a line (pandas: to_json(path, orient="records", lines=True))',
    );
  }
  const prompt = readText(fields, promptName, report);
  const completion = readText(fields, completionName, report);
  // A prompt without text is a completion from the start of a text; a question without text is a mistake.
  if (kind === 'question-answer' && prompt.trim() === '') throw report(`has an empty "${promptName}"`);
  if (completion.trim() === '') throw report(`has an empty "${completionName}"`);
  const alternatives = readAlternatives(fields, report);
  const attributes = readAttributes(fields, [promptName, completionName, ...alternativeFields]);
  return { kind, prompt, completion, source, ...withoutUndefined({ alternatives, attributes }) };
}

const alternativeFields = ['paraphrased_question', 'paraphrased_answer', 'perturbed_answer'];

function readAttributes(fields: Record<string, unknown>, known: readonly string[]): Example['attributes'] {
  const others = Object.entries(fields).filter(
    ([name, value]) => !known.includes(name) && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return others.length === 0 ? undefined : Object.fromEntries(others.map(([name, value]) => [name, String(value)]));
}

/** Strings by their place or by the name of their row, as tables are written column by column; a conversation is none. */
function isColumn(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof Object.values(value)[0] === 'string';
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
  throw report(
    whyContainer(fields) ?? `needs "question" and "answer", or "prompt" and "completion"; found ${foundFields(fields)}`,
  );
}

function readText(fields: Record<string, unknown>, name: string, report: Report): string {
  return checkText(fields[name], `"${name}"`, report);
}

function readAlternatives(fields: Record<string, unknown>, report: Report): ExampleAlternatives | undefined {
  const optional = (name: string): string | undefined =>
    Object.hasOwn(fields, name) && fields[name] !== null ? readText(fields, name, report) : undefined;
  const paraphrasedQuestion = optional('paraphrased_question');
  const paraphrasedAnswer = optional('paraphrased_answer');
  const perturbed = Object.hasOwn(fields, 'perturbed_answer') ? (fields.perturbed_answer ?? undefined) : undefined;
  if (perturbed !== undefined && !Array.isArray(perturbed)) {
    throw report(`has a "perturbed_answer" that must be an array of strings, but is ${found(perturbed)}`);
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
