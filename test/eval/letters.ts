/**
 * A tokenizer with a token for each letter, and a model that knows the alphabet.
 *
 * @module
 */

import type { TextTokenizer } from '../../lib/model/tokenizer.ts';
import { BigramLM } from '../model/bigram-lm.ts';

export const letters = ['</s>', '<s>', ...'abcdefgh '];

/** One token a letter, as a model of letters has it. */
export const letterTokenizer: TextTokenizer = {
  size: letters.length,
  endOfText: 0,
  endOfTextTokens: [0],
  beginOfText: 1,
  encode: (text, { addSpecialTokens = true } = {}) => [
    ...(addSpecialTokens ? [1] : []),
    ...[...text].map((letter) => letters.indexOf(letter)),
  ],
  decode: (tokens) =>
    tokens
      .filter((token) => token > 1)
      .map((token) => letters[token])
      .join(''),
};

/** Knows the alphabet: each letter is followed by the next, h by the end. */
export function alphabet(): BigramLM {
  const model = BigramLM.random(letters.length, 4n, 0.1);
  for (let token = 1; token < letters.length; token++) {
    model.values[token * letters.length + ((token + 1) % (letters.length - 1))] = 6;
  }
  return model;
}
