/**
 * Token sequences of a batch and which of their tokens are labels.
 *
 * @module
 */

import { types } from 'node:util';
import { invalidArgument } from '../core/errors.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';

/** Label tokens that follow each other: indices within the sequence, the end exclusive. */
export type LabelSpan = readonly [begin: number, end: number];

/** One sequence. Its label tokens are those from `labelsFrom` on, all of them or those in `labelSpans`. */
export interface TokenSequence {
  readonly tokens: readonly number[] | Int32Array;
  /** Index of the first label token, at least 1. */
  readonly labelsFrom: number;
  /** In order, none empty, with other tokens between them; the first begins at `labelsFrom`. Absent: all tokens from there on. */
  readonly labelSpans?: readonly LabelSpan[];
}

/** The spans of a sequence's labels, also where it names none. */
export function labelSpansOf({ tokens, labelsFrom, labelSpans }: TokenSequence): readonly LabelSpan[] {
  return labelSpans ?? [[labelsFrom, tokens.length]];
}

/** How many label tokens a sequence has. */
export function labelCountOf(sequence: TokenSequence): number {
  return labelSpansOf(sequence).reduce((count, [begin, end]) => count + end - begin, 0);
}

/** How many tokens a model has to read of a sequence: those before its last label token, which predicts nothing. */
export function tokensReadOf(sequence: TokenSequence): number {
  return labelSpansOf(sequence).at(-1)![1] - 1;
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
  const { tokens, labelsFrom, labelSpans } = sequence as Record<string, unknown>;
  if (!Array.isArray(tokens) && !types.isInt32Array(tokens)) {
    throw invalidArgument(`${argument}.tokens`, 'an array of tokens', tokens);
  }
  const { length } = tokens;
  if (!Number.isInteger(labelsFrom) || (labelsFrom as number) < 1 || (labelsFrom as number) >= length) {
    throw invalidArgument(`${argument}.labelsFrom`, `an integer from 1 to ${length - 1}, the last token`, labelsFrom);
  }
  if (labelSpans !== undefined) checkSpans(`${argument}.labelSpans`, labelSpans, labelsFrom as number, length);
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

function checkSpans(argument: string, spans: unknown, labelsFrom: number, length: number): void {
  if (!Array.isArray(spans) || spans.length === 0) {
    throw invalidArgument(argument, 'an array of at least one [begin, end]', spans);
  }
  let past = 0;
  for (const [i, span] of spans.entries()) {
    const [begin, end] = Array.isArray(span) && span.length === 2 ? span : [];
    if (!Number.isInteger(begin) || !Number.isInteger(end) || begin >= end || end > length) {
      const expected = `[begin, end] of integers, begin before end and end at most ${length}, the number of tokens`;
      throw invalidArgument(`${argument}[${i}]`, expected, span);
    }
    if (i === 0 && begin !== labelsFrom) {
      throw invalidArgument(`${argument}[0][0]`, `${labelsFrom}, as labelsFrom says`, begin);
    }
    if (i > 0 && begin <= past) {
      const expected = `more than ${past}, the end of the span before, so that a token lies between them`;
      throw invalidArgument(`${argument}[${i}][0]`, expected, begin);
    }
    past = end;
  }
}

/** Sequences of different lengths, packed one after the other; padding and masks are the model's business. */
export class TokenBatch {
  /** All tokens, sequence after sequence. */
  readonly tokens: Int32Array;
  /** Where each sequence begins in `tokens`; one more entry than sequences. */
  readonly offsets: Uint32Array;
  /**
   * For each sequence, the index of its first label token within the sequence, at least 1. Those after it need not be labels:
   * `labelPositions` says which are.
   */
  readonly labelsFrom: Uint32Array;
  /** Where each sequence's label tokens begin among all label tokens; one more entry than sequences. */
  readonly labelOffsets: Uint32Array;
  /** The index of every label token in `tokens`, in order; entry i is that of value i of a pass. */
  readonly labelPositions: Uint32Array;

  private constructor(
    key: typeof ownKey,
    tokens: Int32Array,
    offsets: Uint32Array,
    labelsFrom: Uint32Array,
    labelOffsets: Uint32Array,
    labelPositions: Uint32Array,
  ) {
    checkOwn(key, 'TokenBatch', 'TokenBatch.of');
    this.tokens = tokens;
    this.offsets = offsets;
    this.labelsFrom = labelsFrom;
    this.labelOffsets = labelOffsets;
    this.labelPositions = labelPositions;
  }

  /**
   * Packs sequences into a batch.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT for an empty batch, a sequence without a label token, a first token as label
   *   (nothing comes before it that could predict it), spans that are out of order, empty, touching, or beyond the sequence, or a
   *   token that is not an integer in [0, 2^31)
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
      offsets[i + 1] = offsets[i]! + sequence.tokens.length;
      labelsFrom[i] = sequence.labelsFrom;
      labelOffsets[i + 1] = labelOffsets[i]! + labelCountOf(sequence);
    }
    const tokens = new Int32Array(offsets[sequences.length]!);
    const labelPositions = new Uint32Array(labelOffsets[sequences.length]!);
    let label = 0;
    for (const [i, sequence] of sequences.entries()) {
      const offset = offsets[i]!;
      tokens.set(sequence.tokens, offset);
      for (const [begin, end] of labelSpansOf(sequence)) {
        for (let t = begin; t < end; t++) labelPositions[label++] = offset + t;
      }
    }
    return new TokenBatch(ownKey, tokens, offsets, labelsFrom, labelOffsets, labelPositions);
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
