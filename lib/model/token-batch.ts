/**
 * Token sequences of a batch and which of their tokens are labels.
 *
 * @module
 */

import { types } from 'node:util';
import { invalidArgument } from '../core/errors.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';

/** One sequence: `tokens[labelsFrom]` is the first label token, every token from there on is one. */
export interface TokenSequence {
  readonly tokens: readonly number[] | Int32Array;
  readonly labelsFrom: number;
}

/**
 * Refuses what is no sequence with a label token, or has a token beyond the vocabulary, and says which one; for whoever takes
 * sequences before it batches them.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkSequences(
  argument: string,
  sequences: unknown,
  vocabularySize?: number,
): asserts sequences is readonly TokenSequence[] {
  if (!Array.isArray(sequences)) throw invalidArgument(argument, 'an array of { tokens, labelsFrom }', sequences);
  for (const [i, sequence] of sequences.entries()) checkSequence(`${argument}[${i}]`, sequence, vocabularySize);
}

/**
 * Refuses what is no sequence with a label token, or has a token beyond the vocabulary.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkSequence(
  argument: string,
  sequence: unknown,
  vocabularySize = 2 ** 31,
): asserts sequence is TokenSequence {
  if (typeof sequence !== 'object' || sequence === null) {
    throw invalidArgument(argument, '{ tokens, labelsFrom }, an encoded example', sequence);
  }
  const { tokens, labelsFrom } = sequence as Record<string, unknown>;
  if (!Array.isArray(tokens) && !types.isInt32Array(tokens)) {
    throw invalidArgument(`${argument}.tokens`, 'an array of tokens', tokens);
  }
  const { length } = tokens;
  if (!Number.isInteger(labelsFrom) || (labelsFrom as number) < 1 || (labelsFrom as number) >= length) {
    throw invalidArgument(`${argument}.labelsFrom`, `an integer from 1 to ${length - 1}, the last token`, labelsFrom);
  }
  const wrong = tokens.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize);
  if (wrong >= 0) {
    const last = vocabularySize < 2 ** 31 ? ", the model's last token" : '';
    throw invalidArgument(
      `${argument}.tokens[${wrong}]`,
      `an integer from 0 to ${vocabularySize - 1}${last}`,
      tokens[wrong],
    );
  }
}

/** Sequences of different lengths, packed one after the other; padding and masks are the model's business. */
export class TokenBatch {
  /** All tokens, sequence after sequence. */
  readonly tokens: Int32Array;
  /** Where each sequence begins in `tokens`; one more entry than sequences. */
  readonly offsets: Uint32Array;
  /** For each sequence, the index of its first label token within the sequence, at least 1. */
  readonly labelsFrom: Uint32Array;
  /** Where each sequence's label tokens begin among all label tokens; one more entry than sequences. */
  readonly labelOffsets: Uint32Array;

  private constructor(
    key: typeof ownKey,
    tokens: Int32Array,
    offsets: Uint32Array,
    labelsFrom: Uint32Array,
    labelOffsets: Uint32Array,
  ) {
    checkOwn(key, 'TokenBatch', 'TokenBatch.of');
    this.tokens = tokens;
    this.offsets = offsets;
    this.labelsFrom = labelsFrom;
    this.labelOffsets = labelOffsets;
  }

  /**
   * Packs sequences into a batch.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT for an empty batch, a sequence without a label token, a first token as label
   *   (nothing comes before it that could predict it), or a token that is not an integer in [0, 2^31)
   */
  static of(sequences: readonly TokenSequence[]): TokenBatch {
    if (!Array.isArray(sequences) || sequences.length === 0) {
      throw invalidArgument('sequences', 'an array of at least one sequence', sequences);
    }
    const offsets = new Uint32Array(sequences.length + 1);
    const labelsFrom = new Uint32Array(sequences.length);
    const labelOffsets = new Uint32Array(sequences.length + 1);
    for (const [i, sequence] of sequences.entries()) {
      checkSequence(`sequences[${i}]`, sequence);
      const { length } = sequence.tokens;
      offsets[i + 1] = offsets[i]! + length;
      labelsFrom[i] = sequence.labelsFrom;
      labelOffsets[i + 1] = labelOffsets[i]! + length - sequence.labelsFrom;
    }
    const tokens = new Int32Array(offsets[sequences.length]!);
    for (const [i, sequence] of sequences.entries()) tokens.set(sequence.tokens, offsets[i]!);
    return new TokenBatch(ownKey, tokens, offsets, labelsFrom, labelOffsets);
  }

  /** How many sequences the batch holds. */
  get size(): number {
    return this.labelsFrom.length;
  }

  /** How many label tokens the batch holds in all. */
  get labelCount(): number {
    return this.labelOffsets[this.size]!;
  }
}
