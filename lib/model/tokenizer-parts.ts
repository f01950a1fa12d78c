/**
 * What a tokenizer.json may say of its parts: the tokenizer library takes any value for any field, and fails, or makes
 * something else of a text, when it comes to use it. Python's refuses such a file.
 *
 * @module
 */

import { describe, shortName } from '../core/errors.ts';
import { isObject, type JsonObject } from '../core/json.ts';

/** The parts beside the model, and what each calls the list of those that it is a sequence of. */
const sequences = {
  normalizer: 'normalizers',
  pre_tokenizer: 'pretokenizers',
  post_processor: 'processors',
  decoder: 'decoders',
} as const;

type Section = keyof typeof sequences;

interface Check {
  readonly expected: string;
  holds(value: unknown): boolean;
}

const isText = (value: unknown) => typeof value === 'string';
const flag: Check = { expected: 'true or false', holds: (value) => typeof value === 'boolean' };
const text: Check = { expected: 'a text', holds: isText };
const character: Check = {
  expected: 'one character',
  holds: (value) => isText(value) && [...(value as string)].length === 1,
};
const count: Check = {
  expected: 'an integer from 0 to 2147483647',
  holds: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31,
};
const length: Check = { expected: 'an integer of at least 1', holds: (value) => value !== 0 && count.holds(value) };
const pattern: Check = {
  expected: 'a String or a Regex',
  holds: (value) => isObject(value) && ['String', 'Regex'].filter((kind) => isText(value[kind])).length === 1,
};
const namedToken: Check = {
  expected: 'a text and a number',
  holds: (value) => Array.isArray(value) && isText(value[0]) && count.holds(value[1]),
};
const template: Check = {
  expected: 'a list of sequences and special tokens',
  holds: (value) => Array.isArray(value) && value.every(isTemplatePiece),
};
const scheme: Check = {
  expected: 'always, first or never',
  holds: (value) => ['always', 'first', 'never'].includes(value as string),
};

/** Of all parts: a name means the same everywhere. */
const fields: Readonly<Record<string, Check>> = {
  ...{
    add_prefix_space: flag,
    trim_offsets: flag,
    use_regex: flag,
    split: flag,
    invert: flag,
    individual_digits: flag,
  },
  ...{ clean_text: flag, handle_chinese_chars: flag, strip_accents: flag, lowercase: flag, cleanup: flag },
  ...{ strip_left: flag, strip_right: flag, start: count, stop: count, length },
  ...{ content: text, prepend: text, prefix: text, suffix: text, str_rep: text, behavior: text, pattern },
  ...{ pad_token: text, word_delimiter_token: text, replacement: character, prepend_scheme: scheme },
  ...{ single: template, cls: namedToken, sep: namedToken, precompiled_charsmap: text },
};

const ofModel: Readonly<Record<string, Check>> = {
  ...{ unk_token: text, continuing_subword_prefix: text, continuing_subword_suffix: text, end_of_word_suffix: text },
  ...{ byte_fallback: flag, fuse_unk: flag, ignore_merges: flag, unk_id: count, max_input_chars_per_word: count },
  merges: {
    expected: 'a list of pairs of tokens, or of texts with a space between',
    holds: (value) => Array.isArray(value) && (value.every(isText) || value.every(isPair)),
  },
};

const vocabularies: Readonly<Record<'list' | 'table', Check>> = {
  list: {
    expected: 'a list of tokens and their scores',
    holds: (value) => Array.isArray(value) && value.every(isScored),
  },
  table: { expected: 'an object of tokens and their numbers', holds: isObject },
};

/** Fields that there is no default for; all others may be left out, or null. */
const needed: Readonly<Record<string, readonly string[]>> = {
  'normalizer Prepend': ['prepend'],
  'normalizer Replace': ['pattern'],
  'pre_tokenizer Replace': ['pattern'],
  'pre_tokenizer Split': ['pattern'],
  'pre_tokenizer FixedLength': ['length'],
  'post_processor TemplateProcessing': ['single'],
  'post_processor BertProcessing': ['cls', 'sep'],
  'post_processor RobertaProcessing': ['cls', 'sep'],
  'decoder Replace': ['pattern'],
  'model BPE': ['vocab', 'merges'],
  'model WordPiece': ['vocab', 'unk_token', 'continuing_subword_prefix'],
  'model Unigram': ['vocab'],
};

/** A text may become so many times as long, in characters; what real tokenizers have one after the other is far below. */
const mostGrowth = 2 ** 16;

/** What is wrong with the parts of a tokenizer.json; undefined where nothing is. */
export function wrongPart(description: JsonObject): string | undefined {
  for (const section of Object.keys(sequences) as Section[]) {
    const part = description[section];
    const wrong = wrongIn(section, part);
    if (wrong !== undefined) return wrong;
    if (growth(section, part) > mostGrowth) {
      return `its ${section} may make a text more than ${mostGrowth} times as long`;
    }
  }
  const { model } = description;
  if (!isObject(model)) return `its model is ${describe(model)}`;
  const vocab = vocabularies[model.type === 'Unigram' ? 'list' : 'table'];
  return wrongField(`model ${model.type}`, model, { ...ofModel, vocab });
}

function wrongIn(section: Section, part: unknown): string | undefined {
  if (part === null) return undefined;
  if (!isObject(part) || !isText(part.type)) return `a ${section} must have a type, but is ${describe(part)}`;
  const wrong = wrongField(`${section} ${part.type}`, part, fields);
  if (wrong !== undefined || part.type !== 'Sequence') return wrong;
  const inner = part[sequences[section]];
  if (!Array.isArray(inner)) return `a ${section} Sequence must have a list of ${sequences[section]}`;
  for (const each of inner) {
    const wrong = each === null ? `a ${section} Sequence has null in it` : wrongIn(section, each);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function wrongField(kind: string, part: JsonObject, known: Readonly<Record<string, Check>>): string | undefined {
  for (const [name, { expected, holds }] of Object.entries(known)) {
    const value = Object.hasOwn(part, name) ? part[name] : undefined;
    const isNeeded = Object.hasOwn(needed, kind) && needed[kind]!.includes(name);
    if (value == null ? isNeeded : !holds(value)) {
      return `${name} of a ${shortName(kind)} must be ${expected}, but is ${describe(value)}`;
    }
  }
  return undefined;
}

/** How many times as long a part can make a text (of a post-processor: a list of tokens), what it adds once left out. */
function growth(section: Section, part: unknown): number {
  if (!isObject(part)) return 1;
  if (part.type === 'Sequence') {
    return (part[sequences[section]] as unknown[]).reduce<number>((all, each) => all * growth(section, each), 1);
  }
  switch (`${section} ${part.type}`) {
    case 'normalizer Replace':
    case 'pre_tokenizer Replace':
    case 'decoder Replace':
      return replacementGrowth(part.pattern as JsonObject, (part.content as string | undefined) ?? '');
    case 'pre_tokenizer Metaspace':
      return Math.max(1, ((part.str_rep as string | undefined) ?? '').length);
    // The longest of Unicode's compatibility decompositions.
    case 'normalizer NFKC':
    case 'normalizer NFKD':
    case 'normalizer Precompiled':
      return 18;
    // Canonical decompositions, lower case, and the bytes of UTF-8.
    case 'normalizer NFC':
    case 'normalizer NFD':
    case 'normalizer Lowercase':
    case 'normalizer BertNormalizer':
    case 'pre_tokenizer ByteLevel':
      return 3;
    case 'post_processor TemplateProcessing':
      return Math.max(1, (part.single as JsonObject[]).filter((piece) => isObject(piece.Sequence)).length);
    default:
      return 1;
  }
}

function replacementGrowth(pattern: JsonObject, content: string): number {
  // An expression may find nothing at all, before and behind every character.
  const found = isText(pattern.String) ? (pattern.String as string).length : 0;
  return found > 0 ? Math.max(1, content.length / found) : content.length + 1;
}

function isTemplatePiece(piece: unknown): boolean {
  if (!isObject(piece)) return false;
  const { SpecialToken: token, Sequence: sequence } = piece;
  if (isObject(token)) return sequence === undefined && isText(token.id);
  return token === undefined && isObject(sequence) && (sequence.id === 'A' || sequence.id === 'B');
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isText);
}

function isScored(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isText(value[0]) && Number.isFinite(value[1]);
}
