/**
 * Examples from records: which fields make one.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import { readConversation } from './conversation.ts';
import type { Example, ExampleAlternatives } from './example.ts';
import { whyContainer } from './json-records.ts';
import { checkText, type DataRecord, found, foundFields, type Report, turnFields } from './record.ts';

/** What a record needs, in words. */
export const wantedFields = '"question" and "answer", "prompt" and "completion", "messages", or "text"';

/**
 * The example that a record is.
 *
 * @throws SoulError of the record's report
 */
export function toExample(file: string, { value, line, report }: DataRecord): Example {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw report(`must be a JSON object with ${wantedFields}, but is ${found(value)}`);
  }
  const fields = value as Record<string, unknown>;
  const form = formOf(fields, report);
  const example = readForm(form, fields, report);
  const alternatives = readAlternatives(fields, report);
  const attributes = readAttributes(fields, [...form.fields, ...alternativeFields]);
  return { ...example, source: { file, line }, ...withoutUndefined({ alternatives, attributes }) };
}

/** The fields that make an example of a kind. */
interface Form {
  readonly kind: Example['kind'];
  readonly fields: readonly string[];
}

const pairs: readonly Form[] = [
  { kind: 'question-answer', fields: ['question', 'answer'] },
  { kind: 'prompt-completion', fields: ['prompt', 'completion'] },
];

/** Beside others, a field that is none of theirs is an attribute: a `prompt` beside `messages`, a `text` beside both. */
function formOf(fields: Record<string, unknown>, report: Report): Form {
  const has = (name: string): boolean => Object.hasOwn(fields, name);
  const whole = [
    ...pairs.filter((form) => form.fields.every(has)),
    ...turnFields.filter(has).map((name): Form => ({ kind: 'messages', fields: [name] })),
  ];
  if (whole.length > 1) {
    const names = whole.map((form) => form.fields.map((name) => `"${name}"`).join('/'));
    const isPairs = whole.every((form) => form.fields.length === 2);
    throw report(`has both ${names[0]} and ${names[1]}; keep one ${isPairs ? 'pair' : 'of them'}`);
  }
  if (whole[0]) return whole[0];
  for (const {
    fields: [first, second],
  } of pairs) {
    if (has(first!)) throw report(`has "${first}" but no "${second}"`);
    if (has(second!)) throw report(`has "${second}" but no "${first}"`);
  }
  if (has('text')) return { kind: 'text', fields: ['text'] };
  throw report(whyContainer(fields) ?? `needs ${wantedFields}; found ${foundFields(fields)}`);
}

function readForm(
  { kind, fields: [first, second] }: Form,
  fields: Record<string, unknown>,
  report: Report,
): Omit<Example, 'source'> {
  if (kind === 'messages') return { kind, ...readConversation(fields[first!], first!, report) };
  const names = second === undefined ? [first!] : [first!, second];
  if (names.every((name) => isColumn(fields[name]))) {
    throw report(
      'holds whole columns, not one record; write one object a line (pandas: to_json(path, orient="records", lines=True))',
    );
  }
  const texts = names.map((name) => checkText(fields[name], `"${name}"`, report));
  const [prompt, completion] = second === undefined ? ['', texts[0]!] : [texts[0]!, texts[1]!];
  // A prompt without text is a completion from the start of a text; a question without text is a mistake.
  if (kind === 'question-answer' && prompt.trim() === '') throw report(`has an empty "${first}"`);
  if (completion.trim() === '') throw report(`has an empty "${second ?? first}"`);
  return { kind, prompt, completion };
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

function readAlternatives(fields: Record<string, unknown>, report: Report): ExampleAlternatives | undefined {
  const optional = (name: string): string | undefined =>
    Object.hasOwn(fields, name) && fields[name] !== null ? checkText(fields[name], `"${name}"`, report) : undefined;
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
