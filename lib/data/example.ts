/**
 * One record of a data set, whatever its fields were called.
 *
 * @module
 */

/** A turn of a conversation. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else a model's chat template knows. */
  readonly role: string;
  readonly content: string;
}

/** A prompt and what the model is to answer, before any template and tokenizer. */
export interface Example {
  /**
   * `question-answer` goes through a chat template or a prompt template, `messages` through a chat template, `prompt-completion` and
   * `text` are taken verbatim.
   */
  readonly kind: 'question-answer' | 'prompt-completion' | 'messages' | 'text';
  /** The question, or the prompt; of messages what the user said before the last answer, of a text the empty string. */
  readonly prompt: string;
  /** The answer, or the completion; of messages the last answer, of a text all of it. Never empty. */
  readonly completion: string;
  /** The whole conversation, of kind `messages`; it ends with the assistant's turn. */
  readonly messages?: readonly ChatMessage[];
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

/** With another answer; in a conversation the last. */
export function withAnswer(example: Example, completion: string): Example {
  const { messages } = example;
  return {
    ...example,
    completion,
    ...(messages ? { messages: [...messages.slice(0, -1), { ...messages.at(-1)!, content: completion }] } : {}),
  };
}

/** With another question; in a conversation in place of what the user said last. */
export function withQuestion(example: Example, prompt: string): Example {
  const { messages } = example;
  const last = messages?.findLastIndex(({ role }) => role === 'user');
  return {
    ...example,
    prompt,
    ...(messages ? { messages: messages.map((each, i) => (i === last ? { ...each, content: prompt } : each)) } : {}),
  };
}
