/**
 * A tokenizer with one token a word, for small models on small data.
 *
 * It is an ordinary Hugging Face tokenizer.json: a split into words that keep the space before them, a WordPiece model in
 * which every word is whole, and a decoder that joins them again, so known text comes back exactly as it was.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { invalidArgument } from '../core/errors.ts';

/** Their tokens are 0, 1 and 2. */
const specialTokens = { unknown: '[UNK]', beginOfText: '<s>', endOfText: '</s>' } as const;

/** Words with inner apostrophes and hyphens, and any other character by itself; each with the space before it. */
const wordPattern = String.raw` ?[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*| ?[^\p{L}\p{N} ]| `;

export interface WordTokenizerFiles {
  readonly 'tokenizer.json': string;
  readonly 'tokenizer_config.json': string;
}

/** The tokenizer's files as text, and how many tokens it has. */
export interface WordTokenizer {
  readonly size: number;
  readonly files: WordTokenizerFiles;
}

/**
 * A tokenizer of all words in `texts`: the more frequent first, equally frequent ones in the order of their appearance.
 *
 * @param texts everything that must be representable; a word that is in none of them is `[UNK]`
 * @throws SoulError SOUL_INVALID_ARGUMENT when the texts hold no word
 */
export function wordTokenizer(texts: Iterable<string>): WordTokenizer {
  const counts = new Map<string, number>();
  const count = (word: string) => counts.set(word, (counts.get(word) ?? 0) + 1);
  for (const text of texts) {
    const found = text.match(new RegExp(wordPattern, 'gu')) ?? [];
    found.forEach(count);
    // A text may follow a space, as an answer does, or stand first: its first word is known in both forms.
    if (found[0] !== undefined) count(found[0].startsWith(' ') ? found[0].slice(1) || ' ' : ` ${found[0]}`);
  }
  if (counts.size === 0) throw invalidArgument('texts', 'texts with at least one word', texts);
  const special = Object.values(specialTokens);
  const words = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)!);
  const vocabulary = Object.fromEntries([...special, ...words].map((word, token) => [word, token]));
  const description = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: wordPattern }, behavior: 'Isolated', invert: false },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: specialTokens.beginOfText, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: specialTokens.beginOfText, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
      ],
      special_tokens: {
        [specialTokens.beginOfText]: {
          id: specialTokens.beginOfText,
          ids: [special.indexOf(specialTokens.beginOfText)],
          tokens: [specialTokens.beginOfText],
        },
      },
    },
    decoder: { type: 'Fuse' },
    model: {
      type: 'WordPiece',
      unk_token: specialTokens.unknown,
      // No word is continued: a piece of a word never stands for it.
      continuing_subword_prefix: '##',
      max_input_chars_per_word: words.reduce((longest, word) => Math.max(longest, word.length), 100),
      vocab: vocabulary,
    },
  };
  const config = {
    bos_token: specialTokens.beginOfText,
    clean_up_tokenization_spaces: false,
    eos_token: specialTokens.endOfText,
    tokenizer_class: 'PreTrainedTokenizerFast',
    unk_token: specialTokens.unknown,
  };
  return {
    size: special.length + words.length,
    files: {
      'tokenizer.json': `${JSON.stringify(description, null, 2)}\n`,
      'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
    },
  };
}

/** Writes the files of {@link wordTokenizer} into `folder`, which is made if need be. */
export async function writeWordTokenizer(folder: string, texts: Iterable<string>): Promise<WordTokenizer> {
  const tokenizer = wordTokenizer(texts);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(tokenizer.files)) await writeFile(join(folder, name), text);
  return tokenizer;
}
