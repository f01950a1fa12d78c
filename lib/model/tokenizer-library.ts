/**
 * The tokenizer library behind a face of our own: what is used of it, what is checked before it sees a file.
 *
 * @module
 */

import { join } from 'node:path';

import { Tokenizer } from '@huggingface/tokenizers';

import { describe, SoulError, shortMessage } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { correct } from './tokenizer-corrections.ts';
import { wrongPart } from './tokenizer-parts.ts';
import type { TokenizerLibrary } from './tokenizer-types.ts';

/** Kinds of model that the library has; others it takes for what they are not. */
const models: readonly unknown[] = ['BPE', 'WordPiece', 'Unigram'];

/** Far beyond any vocabulary; the library's table has this many places however few tokens there are. */
const largestToken = 2 ** 21;

/**
 * The library's tokenizer, put right; whatever it throws on a damaged file becomes an error that names the file.
 *
 * @param description the content of tokenizer.json
 * @param config the content of tokenizer_config.json
 * @throws SoulError SOUL_BAD_FILE or SOUL_UNSUPPORTED
 */
export function buildTokenizer(folder: string, description: JsonObject, config: JsonObject): TokenizerLibrary {
  const path = join(folder, 'tokenizer.json');
  const bad = (problem: string, cause?: unknown) =>
    new SoulError(
      'SOUL_BAD_FILE',
      `${path} is not a usable tokenizer: ${problem}`,
      { folder, file: 'tokenizer.json' },
      { cause },
    );
  const unsupported = (problem: string, cause?: unknown) =>
    new SoulError(
      'SOUL_UNSUPPORTED',
      `${path} describes a tokenizer that is not supported: ${problem}`,
      { folder },
      { cause },
    );

  const model = withKind(description.model);
  // The library asks for these keys to be there, Python takes a missing one as null.
  const whole: JsonObject = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...description,
    model,
  };
  if (model && !models.includes(model.type)) throw unsupported(`a model of type ${describe(model.type)}`);
  const wrong = wrongToken(model?.vocab) ?? wrongAddedToken(whole.added_tokens) ?? wrongPart(whole);
  if (wrong) throw bad(wrong);
  try {
    const tokenizer: TokenizerLibrary = new Tokenizer(whole, config);
    if (tokenizer.get_vocab().size === 0) throw new Error('its vocabulary is empty');
    correct(tokenizer, whole, config);
    return tokenizer;
  } catch (cause) {
    const message = shortMessage(cause);
    throw /^Unknown|not supported/i.test(message) ? unsupported(message, cause) : bad(message, cause);
  }
}

/** A model's description with its kind, which old files leave to be told from the rest. */
function withKind(model: unknown): JsonObject | null | undefined {
  const described = model as JsonObject | null | undefined;
  if (!described || described.type !== undefined) return described;
  if (Array.isArray(described.vocab)) return { ...described, type: 'Unigram' };
  if (Object.hasOwn(described, 'merges')) return { ...described, type: 'BPE' };
  return Object.hasOwn(described, 'continuing_subword_prefix') ? { ...described, type: 'WordPiece' } : described;
}

/** What is wrong with a vocabulary of the form { token: number }; a list has its places for numbers. */
export function wrongToken(vocabulary: unknown): string | undefined {
  if (typeof vocabulary !== 'object' || vocabulary === null || Array.isArray(vocabulary)) return undefined;
  for (const [token, id] of Object.entries(vocabulary)) {
    if (!isToken(id)) return `the token ${describe(token)} has the number ${describe(id)}`;
  }
  return undefined;
}

/** What is wrong with a list of added tokens. */
export function wrongAddedToken(added: unknown): string | undefined {
  if (!Array.isArray(added)) return `added_tokens must be a list, but is ${describe(added)}`;
  for (const token of added as (JsonObject | null)[]) {
    if (!isToken(token?.id) || typeof token?.content !== 'string') {
      return `an added token has the number ${describe(token?.id)} and the text ${describe(token?.content)}`;
    }
    const wrong = flags.find((name) => token[name] != null && typeof token[name] !== 'boolean');
    if (wrong !== undefined) {
      return `${wrong} of the added token ${describe(token.content)} must be true or false, but is ${describe(token[wrong])}`;
    }
  }
  return undefined;
}

const flags = ['single_word', 'lstrip', 'rstrip', 'normalized', 'special'] as const;

function isToken(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < largestToken;
}
