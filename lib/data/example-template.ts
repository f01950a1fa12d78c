/**
 * How examples become text, whoever says so: a prompt template or a model's chat template.
 *
 * @module
 */

import type { Example } from './example.ts';

/** The text before the label tokens, and the text that they come from. */
export interface RenderedExample {
  readonly prompt: string;
  readonly completion: string;
}

/** A conversation, of which several parts may be labels. */
export interface RenderedConversation {
  /** Up to where the last answer begins, for a model to go on with; not always the beginning of `text`. */
  readonly prompt: string;
  /** Up to the end of the last label. The tokens of its beginning and of the ends of turns stand in it. */
  readonly text: string;
  /** Where labels begin and end, in units of UTF-16; in order and apart. */
  readonly labels: readonly (readonly [begin: number, end: number])[];
}

/** What the record of a run says of it. */
export interface TemplateRecord {
  readonly kind: 'chat' | 'text';
  readonly [detail: string]: string;
}

export interface ExampleTemplate {
  /** What the setting `template` is that stands for it: `chat`, or a text with {question} and {answer}. */
  readonly setting: string;
  /** In a few words, for notes. */
  readonly name: string;
  readonly record: TemplateRecord;
  /** Tokens that end an answer beside those that the tokenizer has for the end of a text. */
  readonly endTokens: readonly number[];
  /** The template that this one puts something before; absent for one that stands alone. */
  readonly base?: ExampleTemplate;
  /**
   * The texts of an example.
   *
   * @throws SoulError SOUL_BAD_DATA for one that it cannot show
   */
  render(example: Example): RenderedExample | RenderedConversation;
}
