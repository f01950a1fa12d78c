/**
 * Byte fallback of Unigram models, which the tokenizer library does not have, and words of any length.
 *
 * @module
 */

import * as library from '@huggingface/tokenizers';

interface UnigramModel {
  readonly config: { byte_fallback?: boolean };
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  tokenize(text: string): string[];
  encode(words: string[]): string[];
}

const { Unigram }: { Unigram: abstract new (...given: never[]) => UnigramModel } = library as never;

/** Changes a Unigram model in place; does nothing to another. */
export function correctUnigram(model: unknown): void {
  if (!(model instanceof Unigram)) return;
  // The library hands the pieces of a word over as arguments of one call, of which there may not be too many.
  model.encode = (words) => words.flatMap((word) => model.tokenize(word));
  if (model.config.byte_fallback !== true) return;
  const whole = model.tokenize.bind(model);
  model.tokenize = (text) => {
    const pieces: string[] = [];
    let unknown = '';
    const fallBack = () => {
      if (unknown !== '') pieces.push(...byteTokens(unknown, model.tokens_to_ids));
      unknown = '';
    };
    for (const piece of whole(text)) {
      if (!model.tokens_to_ids.has(piece)) {
        unknown += piece;
        continue;
      }
      fallBack();
      pieces.push(piece);
    }
    fallBack();
    return pieces;
  };
}

/** The tokens of a text's bytes; the text itself, which is unknown, where one of them is not there. */
function byteTokens(text: string, known: ReadonlyMap<string, number>): string[] {
  const tokens = Array.from(
    new TextEncoder().encode(text),
    (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  return tokens.every((token) => known.has(token)) ? tokens : [text];
}
