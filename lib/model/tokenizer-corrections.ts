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

import { type AddedToken, AddedTokenMatcher } from './added-tokens.ts';
import type { TokenizerLibrary } from './tokenizer-types.ts';

/** The library's classes, whose declarations do not resolve under Node's module rules, with what is changed in them. */
const {
  ByteFallbackDecoder,
  ByteLevelPreTokenizer,
  DigitsPreTokenizer,
  MetaspacePreTokenizer,
  SequenceDecoder,
  SequencePreTokenizer,
}: {
  ByteFallbackDecoder: Class<{ text_decoder: typeof byteFallback }>;
  ByteLevelPreTokenizer: Class<{ pattern: RegExp }>;
  DigitsPreTokenizer: Class<{ pattern: RegExp; config: { individual_digits?: boolean } }>;
  MetaspacePreTokenizer: Class<Metaspace>;
  SequenceDecoder: Class<{ decoders: unknown[] }>;
  SequencePreTokenizer: Class<{ tokenizers: unknown[] }>;
} = library as never;

interface Metaspace {
  replacement: string;
  pre_tokenize_text(text: string, options: SectionOptions): string[];
  pre_tokenize(text: string | string[], options: SectionOptions): string[];
}

interface SectionOptions {
  /** 0 for what stands at the beginning of a text. */
  section_index: number;
}

type Class<T> = abstract new (...given: never[]) => T;

/** GPT-2's split into words, with Unicode's white space: JavaScript's `\s` takes U+FEFF in and leaves U+0085 out. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/**
 * Changes the parts of a library tokenizer in place.
 *
 * @param config of which `split_special_tokens` is looked at: special tokens that a text holds are then text as any other
 */
export function correct(
  tokenizer: TokenizerLibrary,
  description: { pre_tokenizer?: unknown },
  config: { split_special_tokens?: unknown },
): void {
  correctPreTokenizer(tokenizer.pre_tokenizer, description.pre_tokenizer);
  correctDecoder(tokenizer.decoder);
  correctAddedTokens(tokenizer, config.split_special_tokens === true);
}

/** Added tokens keep to words, take the white space that is theirs, and part the text before a prefix space is added. */
function correctAddedTokens(tokenizer: TokenizerLibrary, splitsSpecial: boolean): void {
  const { normalizer, pre_tokenizer: preTokenizer } = tokenizer;
  const raw: [string, AddedToken][] = [];
  const normalised: [string, AddedToken][] = [];
  for (const [id, token] of tokenizer.get_added_tokens_decoder()) {
    const isText = splitsSpecial && token.special;
    if (!token.normalized) {
      if (!isText) raw.push([token.content, token]);
      continue;
    }
    const content = normalizer ? normalizer(token.content) : token.content;
    if (!isText) normalised.push([content, token]);
    // It is decoded as it is found; the vocabulary's own token of that text stays another.
    tokenizer.model.vocab[id] = content;
    if (content !== token.content && tokenizer.added_tokens_map.get(content) === token) {
      tokenizer.added_tokens_map.delete(content);
    }
  }
  const [ofRaw, ofNormalised] = [new AddedTokenMatcher(raw), new AddedTokenMatcher(normalised)];
  tokenizer.encode_text = (text) => {
    if (text === null) return null;
    return ofRaw.split(text).flatMap((section) => {
      if (section.token) return [section.text];
      const plain = normalizer ? normalizer(section.text) : section.text;
      return ofNormalised.split(plain).flatMap((part) => {
        if (part.token) return [part.text];
        // What stands at the very beginning is the first section, which one prefix rule asks for.
        const begins = section.start === 0 && part.start === 0;
        const words = preTokenizer ? preTokenizer(part.text, { section_index: begins ? 0 : 1 }) : [part.text];
        return tokenizer.model(words);
      });
    });
  };
}

/** @param described the entry of tokenizer.json that `part` was made from */
function correctPreTokenizer(part: unknown, described: unknown): void {
  if (part instanceof SequencePreTokenizer) {
    const entries = (described as { pretokenizers: unknown[] }).pretokenizers;
    for (const [i, inner] of part.tokenizers.entries()) correctPreTokenizer(inner, entries[i]);
  } else if (part instanceof MetaspacePreTokenizer) {
    correctMetaspace(part, described as { split?: boolean; add_prefix_space?: boolean });
  } else if (part instanceof ByteLevelPreTokenizer) {
    part.pattern = byteLevelWords;
  } else if (part instanceof DigitsPreTokenizer) {
    // Every numeric character counts as a digit, also superscripts, fractions and other scripts' digits.
    part.pattern = part.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  }
}

/**
 * Words part where the replacement of a space stands, unless the description says otherwise, and only what stands at the very
 * beginning is first; the library parts nothing and takes every word of a sequence for the first.
 */
function correctMetaspace(part: Metaspace, described: { split?: boolean }): void {
  const { replacement } = part;
  const whole = part.pre_tokenize_text.bind(part);
  const words = (text: string, options: SectionOptions): string[] => {
    const [piece] = whole(text, options);
    if (described.split === false || !piece) return piece ? [piece] : [];
    const [start, ...rest] = piece.split(replacement);
    return [...(start ? [start] : []), ...rest.map((word) => replacement + word)];
  };
  part.pre_tokenize = (text, options) =>
    [text].flat().flatMap((word, i) => words(word, i === 0 ? options : { ...options, section_index: 1 }));
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
