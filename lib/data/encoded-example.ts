/**
 * What encoding takes, makes of an example, and refuses.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import type { CarriedToken } from './carried-tokens.ts';
import { type Example, whereIs } from './example.ts';
import type { ExampleTemplate } from './example-template.ts';

export interface EncodeOptions {
  /** How examples become text; `PromptTemplate.plain` by default. */
  template?: ExampleTemplate;
  /** Longer sequences lose tokens at their end; no limit by default. */
  maximumLength?: number;
  /** Whether the last answer of a conversation alone has labels: it stands in another's place, those before it do not. */
  lastAnswerAlone?: boolean;
  /** Whether the end-of-text token is put behind a text that does not end with one itself; true by default. */
  appendEndOfText?: boolean;
}

/** A {@link TokenSequence} ready for `TokenBatch.of`. */
export interface EncodedExample extends TokenSequence {
  readonly tokens: readonly number[];
  /** The prompt alone, for generation; where words merge across its end it is not a prefix of `tokens`. */
  readonly promptTokens: readonly number[];
  /** How many tokens `maximumLength` cut off, the end-of-text token included. */
  readonly truncated: number;
  /** At which ends the text holds the token itself, so that none was put there. */
  readonly carried: readonly CarriedToken[];
}

/** The token that stands before a label that would be the first. */
export function firstToken(tokenizer: TextTokenizer, example: Example): number {
  const token = tokenizer.beginOfText ?? tokenizer.endOfText;
  if (token === undefined) {
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)} has no token before its completion, and the tokenizer has none that begins a text; give the example a prompt`,
      { ...example.source },
    );
  }
  return token;
}

/** The error of an example that is cut before its first label. */
export function noLabelLeft(example: Example, promptTokens: number, maximumLength: number): SoulError {
  return new SoulError(
    'SOUL_BAD_DATA',
    `${whereIs(example)} has no label token left: its prompt takes ${promptTokens} tokens of at most ${maximumLength}; raise the maximum length or leave the example out`,
    { ...example.source, promptTokens, maximumLength },
  );
}
