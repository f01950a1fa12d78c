/**
 * The sequences of a term in parts that fit in memory, so that what is computed of the parts adds up to the whole.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { batchParts, type PartLimits } from '../model/batch-parts.ts';
import { checkSequences, labelCountOf, TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import type { ObjectiveInput } from './objective.ts';

export interface PartOptions extends Cancellable {
  /** Sequences in memory at a time; of an example that has several, never fewer than those. */
  microBatchSize: number;
  /** Tokens in memory at a time; an example that has more comes by itself. Default: no bound. */
  batchTokens?: number;
  /** Sequences of an example, which stand one behind the other and are never parted. Default 1. */
  width?: number;
  /** Counts that means run over, where these sequences are a part of more. Default those of the sequences. */
  whole?: { readonly tokens: number; readonly sequences: number };
  /** For each sequence, -log p of its label tokens under the reference model. */
  reference?: readonly Float32Array[];
}

export const partOptionNames = [
  'microBatchSize',
  'batchTokens',
  'width',
  'whole',
  'reference',
  'signal',
] as const satisfies readonly (keyof PartOptions)[];

/** A part of a term's sequences. */
export interface TermPart {
  readonly batch: TokenBatch;
  /** What the objective is given beside the values. */
  readonly input: Omit<ObjectiveInput, 'values'>;
  /** Throws SOUL_CANCELLED where the signal has fired. */
  pause(): void;
}

/**
 * Parts of the sequences, one after the other; each begins with a `pause`.
 *
 * @param what is computed, in words, for an error
 * @param sizes sequences of each part, in order, where the parts are given
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no sequence or cannot be parted so; SOUL_CANCELLED
 */
export function* termParts(
  sequences: readonly TokenSequence[],
  vocabularySize: number | undefined,
  options: PartOptions,
  what: string,
  sizes?: readonly number[],
): Generator<TermPart, void, void> {
  const { microBatchSize, batchTokens, width = 1, signal } = options;
  checkInteger('microBatchSize', microBatchSize);
  if (batchTokens !== undefined) checkInteger('batchTokens', batchTokens);
  checkSequences('sequences', sequences, vocabularySize);
  if (sequences.length % checkInteger('width', width) !== 0) {
    throw invalidArgument('sequences', `a multiple of ${width}, the sequences of an example`, sequences.length);
  }
  const { whole = countsOf(sequences) } = options;
  let done = 0;
  const pause = () =>
    throwIfCancelled(signal, `${what} was cancelled after ${done} of ${sequences.length} sequences`, {
      done,
      total: sequences.length,
    });
  const limits = { examples: microBatchSize, tokens: batchTokens };
  for (const part of sizes ? partsOfSizes(sizes) : partsOf(sequences, width, limits)) {
    pause();
    const batch = TokenBatch.of(part.map((index) => sequences[index]!));
    const reference = options.reference && concatenated(part.map((index) => options.reference![index]!));
    yield { batch, input: { offsets: batch.labelOffsets, whole, ...(reference ? { reference } : {}) }, pause };
    done += part.length;
  }
}

/** What means over these sequences run over. */
export function countsOf(sequences: readonly TokenSequence[]): { tokens: number; sequences: number } {
  return {
    sequences: sequences.length,
    tokens: sequences.reduce((sum, sequence) => sum + labelCountOf(sequence), 0),
  };
}

/** Indices of sequences in parts; those of an example stay together, in order. */
function partsOf(sequences: readonly TokenSequence[], width: number, { examples, tokens }: PartLimits): number[][] {
  const ofExample = (example: number) => Array.from({ length: width }, (_, i) => example * width + i);
  const lengths = Array.from({ length: sequences.length / width }, (_, example) =>
    ofExample(example).map((index) => sequences[index]!.tokens.length),
  );
  const limits = { examples: Math.max(1, Math.floor(examples / width)), tokens };
  return batchParts(lengths, limits).map((part) => part.flatMap(ofExample));
}

function partsOfSizes(sizes: readonly number[]): number[][] {
  let next = 0;
  return sizes.map((size) => Array.from({ length: size }, () => next++));
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
