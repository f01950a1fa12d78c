/**
 * One record of a data set, whatever its fields were called.
 *
 * @module
 */

/** A prompt and what the model is to answer, before any template and tokenizer. */
export interface Example {
  /** `question-answer` goes through a prompt template, `prompt-completion` is taken verbatim. */
  readonly kind: 'question-answer' | 'prompt-completion';
  /** The question, or the prompt. */
  readonly prompt: string;
  /** The answer, or the completion; never empty. */
  readonly completion: string;
  /** Where it was read. In a JSON array, `line` is the record's number from 1. */
  readonly source: { readonly file: string; readonly line: number };
  /** Other wordings, under TOFU's field names in files: what evaluation compares with. */
  readonly alternatives?: ExampleAlternatives;
  /** Other fields that hold a text, a number, or true or false, as text. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface ExampleAlternatives {
  /** `paraphrased_question` in files. */
  readonly paraphrasedQuestion?: string;
  /** `paraphrased_answer`: right, in other words. */
  readonly paraphrasedAnswer?: string;
  /** `perturbed_answer`: wrong, in the form of the right one. */
  readonly perturbedAnswers?: readonly string[];
}

/** "file:line", as errors name an example. */
export function whereIs(example: Example): string {
  return `${example.source.file}:${example.source.line}`;
}
