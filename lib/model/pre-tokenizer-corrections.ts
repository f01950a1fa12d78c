/**
 * Where the pre-tokenizers of the tokenizer library and Python's part ways, put right.
 *
 * @module
 */

import * as library from '@huggingface/tokenizers';

type Class<T> = abstract new (...given: never[]) => T;

interface PreTokenizer {
  pre_tokenize_text(text: string, options: SectionOptions): string[];
}

interface Metaspace extends PreTokenizer {
  replacement: string;
  pre_tokenize(text: string | string[], options: SectionOptions): string[];
}

interface SectionOptions {
  /** 0 for what stands at the beginning of a text. */
  section_index: number;
}

const {
  BertPreTokenizer,
  ByteLevelPreTokenizer,
  DigitsPreTokenizer,
  FixedLengthPreTokenizer,
  MetaspacePreTokenizer,
  PunctuationPreTokenizer,
  SequencePreTokenizer,
  SplitPreTokenizer,
  WhitespacePreTokenizer,
  WhitespaceSplitPreTokenizer,
}: {
  BertPreTokenizer: Class<PreTokenizer>;
  ByteLevelPreTokenizer: Class<{ pattern: RegExp }>;
  DigitsPreTokenizer: Class<{ pattern: RegExp; config: { individual_digits?: boolean } }>;
  FixedLengthPreTokenizer: Class<PreTokenizer & { config: { length: number } }>;
  MetaspacePreTokenizer: Class<Metaspace>;
  PunctuationPreTokenizer: Class<PreTokenizer & { config: { behavior?: string } }>;
  SequencePreTokenizer: Class<{ tokenizers: unknown[] }>;
  SplitPreTokenizer: Class<PreTokenizer & { pattern: RegExp; config: { behavior?: string; invert?: boolean } }>;
  WhitespacePreTokenizer: Class<PreTokenizer>;
  WhitespaceSplitPreTokenizer: Class<PreTokenizer>;
} = library as never;

/** GPT-2's split into words, with Unicode's white space: JavaScript's `\s` takes U+FEFF in and leaves U+0085 out. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const words =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;
const bertWords = /[^\p{White_Space}\p{P}!-/:-@[-`{-~]+|[\p{P}!-/:-@[-`{-~]/gu;

/**
 * Changes a pre-tokenizer of the library in place.
 *
 * @param described the entry of tokenizer.json that `part` was made from
 * @throws Error for what a description cannot say
 */
export function correctPreTokenizer(part: unknown, described: unknown): void {
  if (part instanceof SequencePreTokenizer) {
    const entries = (described as { pretokenizers: unknown[] }).pretokenizers;
    for (const [i, inner] of part.tokenizers.entries()) correctPreTokenizer(inner, entries[i]);
  } else if (part instanceof MetaspacePreTokenizer) {
    correctMetaspace(part, described as { split?: boolean });
  } else if (part instanceof ByteLevelPreTokenizer) {
    part.pattern = byteLevelWords;
  } else if (part instanceof DigitsPreTokenizer) {
    // Every numeric character counts as a digit, also superscripts, fractions and other scripts' digits.
    part.pattern = part.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  } else if (part instanceof SplitPreTokenizer) {
    const { behavior, invert = false } = part.config;
    const parting = partingOf(behavior);
    part.pre_tokenize_text = (text) => parting(piecesOf(text, part.pattern, invert));
  } else if (part instanceof PunctuationPreTokenizer) {
    const parting = partingOf(part.config.behavior ?? 'Isolated');
    part.pre_tokenize_text = (text) => parting(piecesOf(text, punctuation, false));
  } else if (part instanceof WhitespacePreTokenizer) {
    part.pre_tokenize_text = (text) => text.match(words) ?? [];
  } else if (part instanceof WhitespaceSplitPreTokenizer) {
    part.pre_tokenize_text = (text) => text.match(/\P{White_Space}+/gu) ?? [];
  } else if (part instanceof BertPreTokenizer) {
    part.pre_tokenize_text = (text) => text.match(bertWords) ?? [];
  } else if (part instanceof FixedLengthPreTokenizer) {
    const pattern = new RegExp(`[^]{1,${part.config.length}}`, 'gu');
    part.pre_tokenize_text = (text) => text.match(pattern) ?? [];
  }
}

/** A piece of a text that a pattern parts. */
interface Piece {
  text: string;
  /** Whether it is a delimiter: what the pattern finds, or with `invert` what it does not. */
  readonly delimits: boolean;
}

/** The whole text, in what the pattern finds and what lies between. */
function piecesOf(text: string, pattern: RegExp, invert: boolean): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (index > done) pieces.push({ text: text.slice(done, index), delimits: invert });
    pieces.push({ text: found, delimits: !invert });
    done = index + found.length;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), delimits: invert });
  return pieces;
}

type Parting = (pieces: readonly Piece[]) => string[];

/** What becomes of delimiters, by the name that tokenizer.json gives it. */
const partings: Readonly<Record<string, Parting>> = {
  Isolated: (pieces) => pieces.map(({ text }) => text),
  Removed: (pieces) => pieces.filter(({ delimits }) => !delimits).map(({ text }) => text),
  Contiguous: (pieces) => merged(pieces, (piece, before) => piece.delimits === before.delimits),
  MergedWithPrevious: (pieces) => merged(pieces, (piece, before) => piece.delimits && !before.delimits),
  MergedWithNext: (pieces) => merged(pieces, (piece, before) => before.delimits && !piece.delimits),
};

function partingOf(behavior: string | undefined): Parting {
  const parting = Object.hasOwn(partings, behavior ?? '') ? partings[behavior!]! : undefined;
  if (!parting) throw new Error(`Unknown behavior of a pre-tokenizer: ${behavior}`);
  return (pieces) => parting(pieces).filter((text) => text !== '');
}

function merged(pieces: readonly Piece[], belongs: (piece: Piece, before: Piece) => boolean): string[] {
  return pieces.reduce<string[]>((parts, piece, i) => {
    const before = pieces[i - 1];
    if (before && belongs(piece, before)) parts.push(parts.pop() + piece.text);
    else parts.push(piece.text);
    return parts;
  }, []);
}

/**
 * Words part where the replacement of a space stands, unless the description says otherwise, and only what stands at the very
 * beginning is first; the library parts nothing and takes every word of a sequence for the first.
 */
function correctMetaspace(part: Metaspace, described: { split?: boolean }): void {
  const { replacement } = part;
  const whole = part.pre_tokenize_text.bind(part);
  const wordsOf = (text: string, options: SectionOptions): string[] => {
    const [piece] = whole(text, options);
    if (described.split === false || !piece) return piece ? [piece] : [];
    const [start, ...rest] = piece.split(replacement);
    return [...(start ? [start] : []), ...rest.map((word) => replacement + word)];
  };
  part.pre_tokenize = (text, options) =>
    [text].flat().flatMap((word, i) => wordsOf(word, i === 0 ? options : { ...options, section_index: 1 }));
}
