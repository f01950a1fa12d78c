/**
 * A tokenizer of special tokens and characters.
 *
 * @module
 */

import type { RoleTokenizer } from '../../../lib/data/chat/chat-template.ts';

const special = [
  ...[
    '<s>',
    '</s>',
    '<|open|>',
    '<|close|>',
    '<|head|>',
    '<|/head|>',
    '<|over|>',
    '<|user|>',
    '<|assistant|>',
    '<|system|>',
  ],
];

/** Tokens of more than one character, beside the special ones. */
const merged = [' b', 'te'];

/**
 * A special token is its place in the list, every other character one token, but for {@link merged}; it puts `<s>` before a text.
 *
 * @param ends the special tokens that it says end a text
 */
export function characterTokenizer(ends: readonly string[] = ['</s>']): RoleTokenizer {
  const pieces = [...special, ...merged];
  const endOfTextTokens = ends.map((text) => special.indexOf(text));
  const textOf = (token: number) => pieces[token] ?? String.fromCodePoint(token - 100);
  return {
    roles: { bos_token: '<s>', eos_token: '</s>' },
    beginOfText: 0,
    endOfText: endOfTextTokens[0],
    endOfTextTokens,
    size: 0x110000 + 100,
    encode(text, { addSpecialTokens = true } = {}) {
      const tokens = addSpecialTokens ? [0] : [];
      for (let at = 0; at < text.length; ) {
        const place = pieces.findIndex((piece) => text.startsWith(piece, at));
        const character = String.fromCodePoint(text.codePointAt(at)!);
        tokens.push(place >= 0 ? place : 100 + character.codePointAt(0)!);
        at += (pieces[place] ?? character).length;
      }
      return tokens;
    },
    decode: (tokens, { skipSpecialTokens = true } = {}) =>
      tokens.map((token) => (skipSpecialTokens && token < special.length ? '' : textOf(token))).join(''),
  };
}
