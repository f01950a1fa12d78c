/**
 * Where the tokenizer library and Python's tokenizers part ways, put right.
 *
 * Each was found by comparing tokens and texts of random Unicode strings. A later version of the library that has them
 * right is not harmed. One difference stays: a character that needs a byte the vocabulary lacks (SmolLM2: some control
 * characters and the unassigned planes 4 to 11) is dropped after the merges here and before them there, so its neighbours
 * may be split otherwise.
 *
 * @module
 */

import { type AddedToken, AddedTokenMatcher } from './added-tokens.ts';
import { correctDecoder } from './decoder-corrections.ts';
import { correctNormalizer } from './normalizer-corrections.ts';
import { correctPreTokenizer } from './pre-tokenizer-corrections.ts';
import type { TokenizerLibrary } from './tokenizer-types.ts';
import { correctUnigram } from './unigram-corrections.ts';

/**
 * Changes the parts of a library tokenizer in place.
 *
 * @param config of which `split_special_tokens` is looked at: special tokens that a text holds are then text like the rest
 */
export function correct(
  tokenizer: TokenizerLibrary,
  description: { pre_tokenizer?: unknown },
  config: { split_special_tokens?: unknown },
): void {
  correctNormalizer(tokenizer.normalizer);
  correctPreTokenizer(tokenizer.pre_tokenizer, description.pre_tokenizer);
  correctUnigram(tokenizer.model);
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
