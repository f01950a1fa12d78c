/**
 * Where the normalizers of the tokenizer library and Python's part ways, put right.
 *
 * @module
 */

import * as library from '@huggingface/tokenizers';

type Class<T> = abstract new (...given: never[]) => T;

interface Normalizer<Config> {
  readonly config: Config;
  normalize(text: string): string;
}

const {
  BertNormalizer,
  LowercaseNormalizer,
  PrependNormalizer,
  ReplaceNormalizer,
  SequenceNormalizer,
  StripNormalizer,
}: {
  BertNormalizer: Class<Normalizer<{ lowercase?: boolean }>>;
  LowercaseNormalizer: Class<Normalizer<unknown>>;
  PrependNormalizer: Class<Normalizer<{ prepend: string }>>;
  ReplaceNormalizer: Class<Normalizer<{ content?: string }> & { pattern: RegExp | null }>;
  SequenceNormalizer: Class<{ normalizers: unknown[] }>;
  StripNormalizer: Class<Normalizer<{ strip_left?: boolean; strip_right?: boolean }>>;
} = library as never;

/** Changes a normalizer of the library in place. */
export function correctNormalizer(part: unknown): void {
  if (part instanceof SequenceNormalizer) {
    for (const inner of part.normalizers) correctNormalizer(inner);
  } else if (part instanceof LowercaseNormalizer) {
    part.normalize = lowerCase;
  } else if (part instanceof BertNormalizer) {
    const whole = part.normalize.bind(part);
    if (part.config.lowercase) part.normalize = (text) => whole(lowerCase(text));
  } else if (part instanceof PrependNormalizer) {
    part.normalize = (text) => (text === '' ? '' : part.config.prepend + text);
  } else if (part instanceof ReplaceNormalizer) {
    const { pattern, config } = part;
    // A function, so that `$&` in the content is nothing but itself.
    if (pattern) part.normalize = (text) => text.replaceAll(pattern, () => config.content ?? '');
  } else if (part instanceof StripNormalizer) {
    const { strip_left: left, strip_right: right } = part.config;
    part.normalize = (text) => {
      const begun = left ? text.replace(/^\p{White_Space}+/u, '') : text;
      return right ? begun.slice(0, endOf(begun)) : begun;
    };
  }
}

/** Letter by letter: JavaScript looks around a sigma, Rust does not. */
function lowerCase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join('');
}

/** Where a text ends without the white space behind it; none needs two units. */
function endOf(text: string): number {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return end;
}
