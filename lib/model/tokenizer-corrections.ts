/**
 * Where the tokenizer library and Python's tokenizers part ways on Llama-like models, put right.
 *
 * Each was found by comparing tokens and texts of random Unicode strings. A later version of the library that has them
 * right is not harmed. One difference stays: a character that needs a byte the vocabulary lacks (SmolLM2: some control
 * characters and the unassigned planes 4 to 11) is dropped after the merges here and before them there, so its neighbours
 * may be split otherwise.
 *
 * @module
 */

import * as library from '@huggingface/tokenizers';

/** The library's classes, whose declarations do not resolve under Node's module rules, with what is changed in them. */
const {
  ByteFallbackDecoder,
  ByteLevelPreTokenizer,
  DigitsPreTokenizer,
  SequenceDecoder,
  SequencePreTokenizer,
}: {
  ByteFallbackDecoder: Class<{ text_decoder: typeof byteFallback }>;
  ByteLevelPreTokenizer: Class<{ pattern: RegExp }>;
  DigitsPreTokenizer: Class<{ pattern: RegExp; config: { individual_digits?: boolean } }>;
  SequenceDecoder: Class<{ decoders: unknown[] }>;
  SequencePreTokenizer: Class<{ tokenizers: unknown[] }>;
} = library as never;

type Class<T> = abstract new (...given: never[]) => T;

/** GPT-2's split into words, with Unicode's white space: JavaScript's `\s` takes U+FEFF in and leaves U+0085 out. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Changes the parts of a library tokenizer in place. */
export function correct(tokenizer: { pre_tokenizer: unknown; decoder: unknown }): void {
  correctPreTokenizer(tokenizer.pre_tokenizer);
  correctDecoder(tokenizer.decoder);
}

function correctPreTokenizer(part: unknown): void {
  if (part instanceof SequencePreTokenizer) {
    for (const inner of part.tokenizers) correctPreTokenizer(inner);
  } else if (part instanceof ByteLevelPreTokenizer) {
    part.pattern = byteLevelWords;
  } else if (part instanceof DigitsPreTokenizer) {
    // Every numeric character counts as a digit, also superscripts, fractions and other scripts' digits.
    part.pattern = part.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  }
}

function correctDecoder(part: unknown): void {
  if (part instanceof SequenceDecoder) {
    for (const inner of part.decoders) correctDecoder(inner);
  } else if (part instanceof ByteFallbackDecoder) {
    part.text_decoder = byteFallback;
  }
}

/** A run of byte tokens is one text when it is valid UTF-8 (a byte-order mark included), else one U+FFFD for each byte. */
const byteFallback = {
  decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return '\ufffd'.repeat(bytes.length);
    }
  },
};
