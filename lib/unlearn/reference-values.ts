/**
 * What the model says of sequences before it changes: the reference that NPO and its kin compare with.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { batchParts } from '../model/batch-parts.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { checkSequences, labelCountOf, labelSpansOf, TokenBatch, type TokenSequence } from '../model/token-batch.ts';

export interface ReferenceOptions extends Cancellable {
  /** Tokens that the model sees at once; a longer sequence comes by itself. Default: no bound. */
  batchTokens?: number;
  onProgress?: (done: number, total: number) => void;
}

/**
 * -log p of every label token of every sequence, computed once, so that no second model need be held in memory.
 *
 * @throws SoulError SOUL_NON_FINITE when a likelihood is not finite, SOUL_CANCELLED by `options.signal`
 * @returns for each sequence one value for each of its label tokens, in nats
 */
export async function referenceValues(
  model: Pick<DifferentiableLM, 'score' | 'vocabularySize'>,
  sequences: readonly TokenSequence[],
  batchSize: number,
  options: ReferenceOptions = {},
): Promise<Float32Array[]> {
  checkInteger('batchSize', batchSize);
  checkNames('options', options, ['batchTokens', 'signal', 'onProgress']);
  const { batchTokens } = options;
  if (batchTokens !== undefined) checkInteger('batchTokens', batchTokens);
  checkSequences('sequences', sequences, model?.vocabularySize);
  const references = new Array<Float32Array>(sequences.length);
  let done = 0;
  const lengths = sequences.map(({ tokens }) => [tokens.length]);
  for (const part of batchParts(lengths, { examples: batchSize, tokens: batchTokens })) {
    throwIfCancelled(options.signal, `reference values were cancelled after ${done} of ${sequences.length} sequences`, {
      done,
      total: sequences.length,
    });
    const batch = TokenBatch.of(part.map((index) => sequences[index]!));
    const { logProbability, offsets } = await model.score(batch, withoutUndefined({ signal: options.signal }));
    for (const [i, index] of part.entries()) {
      const values = logProbability.slice(offsets[i], offsets[i + 1]).map((value) => -value);
      if (!values.every(Number.isFinite)) {
        throw new SoulError(
          'SOUL_NON_FINITE',
          `the model gives sequence ${index} a likelihood that is not finite; its weights may be damaged (\`soul eval\`)`,
          { sequence: index },
        );
      }
      references[index] = values;
    }
    done += part.length;
    options.onProgress?.(done, sequences.length);
  }
  return references;
}

/** Reference values by the sequences that they belong to, whatever terms these are of. */
export class References {
  readonly #places = new Map<string, { readonly start: number; readonly end: number }>();
  #all = new Float32Array();

  /** All of them, one sequence after another, in the order in which they came. */
  get all(): Float32Array {
    return this.#all;
  }

  /** Computes those of sequences that it has none of yet; the model must be as it began. */
  async add(
    model: Pick<DifferentiableLM, 'score' | 'vocabularySize'>,
    sequences: Iterable<TokenSequence>,
    batchSize: number,
    options: ReferenceOptions = {},
  ): Promise<void> {
    const before = this.#all;
    const missing = this.makeRoom(sequences);
    const values = await referenceValues(model, missing, batchSize, options);
    this.#all.set(before);
    for (const [i, sequence] of missing.entries()) this.#all.set(values[i]!, this.#places.get(keyOf(sequence))!.start);
  }

  /**
   * Has room for those of sequences that it has none of yet, all of them 0 from then on.
   *
   * @returns these sequences
   */
  makeRoom(sequences: Iterable<TokenSequence>): TokenSequence[] {
    const missing: TokenSequence[] = [];
    let end = this.#all.length;
    for (const sequence of sequences) {
      const key = keyOf(sequence);
      if (this.#places.has(key)) continue;
      missing.push(sequence);
      const start = end;
      end += labelCountOf(sequence);
      this.#places.set(key, { start, end });
    }
    this.#all = new Float32Array(end);
    return missing;
  }

  /** For each sequence its values; it must have been added. */
  of(sequences: readonly TokenSequence[]): Float32Array[] {
    return sequences.map((sequence) => {
      const { start, end } = this.#places.get(keyOf(sequence))!;
      return this.#all.subarray(start, end);
    });
  }
}

/** Sequences of the same tokens and labels have the same values. */
function keyOf(sequence: TokenSequence): string {
  return `${labelSpansOf(sequence).join(' ')}: ${sequence.tokens.join(' ')}`;
}
