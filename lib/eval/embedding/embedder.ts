/**
 * Sentences as vectors, of which near ones mean the like.
 *
 * @module
 */

import type { Cancellable } from '../../core/cancellation.ts';
import { describe, invalidArgument, SoulError } from '../../core/errors.ts';
import { isNumberArray } from '../metrics/check-values.ts';

export interface Embedder {
  /** Which model it is, down to its weights: figures by embedders of two names do not belong in one column. */
  readonly name: string;
  /**
   * A vector for each text, in their order. All have one length; they are finite, and none is 0 throughout. Their norms do not matter.
   * The vector of a text must not depend on the texts beside it.
   */
  embed(texts: readonly string[], options?: Cancellable): Promise<readonly ArrayLike<number>[]>;
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for what is none */
export function checkEmbedder(argument: string, value: Embedder): Embedder {
  const isEmbedder = typeof value === 'object' && value !== null && typeof value.embed === 'function';
  if (!isEmbedder) throw invalidArgument(argument, 'an Embedder, an object with embed(texts)', value);
  if (typeof value.name !== 'string' || value.name.trim() === '') {
    throw invalidArgument(`${argument}.name`, 'a name, which logs and tables give', value.name);
  }
  return value;
}

/**
 * Embeds texts, and holds the embedder to its word.
 *
 * @returns a vector for each text
 * @throws SoulError SOUL_INVALID_ARGUMENT for another number of vectors, or of numbers in one; SOUL_NON_FINITE, with `text` in the
 *   details, for a vector that is not finite, or 0 throughout, which has no direction; what the embedder throws
 */
export async function embedTexts(
  embedder: Embedder,
  texts: readonly string[],
  options: Cancellable = {},
): Promise<readonly ArrayLike<number>[]> {
  const vectors = await embedder.embed(texts, options);
  const { name } = embedder;
  const broken = (problem: string) =>
    new SoulError('SOUL_INVALID_ARGUMENT', `the embedder ${name} ${problem}`, { argument: 'embedder', embedder: name });
  if (!Array.isArray(vectors)) throw broken(`gave ${describe(vectors)}, not an array of vectors`);
  if (vectors.length !== texts.length) throw broken(`gave ${vectors.length} vectors for ${texts.length} texts`);
  for (const [i, vector] of vectors.entries()) {
    const text = texts[i]!;
    if (!isNumberArray(vector) || vector.length === 0) throw broken(`gave ${describe(vector)} for ${describe(text)}`);
    if (vector.length !== vectors[0].length) {
      throw broken(`gave ${vector.length} numbers for ${describe(text)}, but ${vectors[0].length} for another text`);
    }
    const problem = problemOf(vector);
    if (problem === undefined) continue;
    throw new SoulError('SOUL_NON_FINITE', `the embedder ${name} gave ${problem} for ${describe(text)}`, {
      embedder: name,
      text,
    });
  }
  return vectors;
}

function problemOf(vector: ArrayLike<number>): string | undefined {
  const values = Array.from(vector);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) return `${describe(values[wrong])} in place ${wrong}`;
  return values.every((value) => value === 0) ? 'a vector of zeros, which has no direction,' : undefined;
}
