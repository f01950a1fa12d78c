/**
 * One term of a loss, pulled back into the gradients of a model.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { checkNames } from '../core/option-names.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { checkSequences, TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import type { Term } from './methods.ts';
import { evaluateObjective } from './objective.ts';

export interface TermValue {
  /** The objective's loss, without the coefficient. */
  loss: number;
  /** Label tokens that it runs over. */
  tokens: number;
}

export interface PullBackOptions extends Cancellable {
  /** Sequences in memory at a time. */
  microBatchSize: number;
  /** For each sequence, -log p of its label tokens under the reference model. */
  reference?: readonly Float32Array[];
}

/**
 * Adds `coefficient * d objective / d theta` over all sequences to the model's gradients, a few sequences at a time.
 *
 * The result does not depend on `microBatchSize` but for rounding: means run over the whole batch. Where the loss is not
 * finite, or the work was cancelled between two passes, the gradients hold a part of the term: zero them.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no sequence, or an objective that does not return a loss and its
 *   weights; SOUL_CANCELLED
 */
export async function pullBack(
  model: DifferentiableLM,
  term: Term,
  sequences: readonly TokenSequence[],
  options: PullBackOptions,
): Promise<TermValue> {
  checkNames('options', options, ['microBatchSize', 'reference', 'signal']);
  const { microBatchSize, signal } = options;
  checkInteger('microBatchSize', microBatchSize);
  checkSequences('sequences', sequences, model?.vocabularySize);
  const whole = {
    sequences: sequences.length,
    tokens: sequences.reduce((sum, { tokens, labelsFrom }) => sum + tokens.length - labelsFrom, 0),
  };
  let done = 0;
  const pause = () =>
    throwIfCancelled(signal, `a gradient was cancelled after ${done} of ${whole.sequences} sequences`, {
      done,
      total: whole.sequences,
    });
  let loss = 0;
  for (const part of byLength(sequences, microBatchSize)) {
    pause();
    const batch = TokenBatch.of(part.map((index) => sequences[index]!));
    const reference = options.reference && concatenated(part.map((index) => options.reference![index]!));
    const input = { offsets: batch.labelOffsets, whole, ...(reference ? { reference } : {}) };
    if (term.objective.linear) {
      const { weights } = evaluateObjective(term.objective, { ...input, values: new Float32Array(batch.labelCount) });
      const values = await model.accumulate(batch, scaled(weights, term.coefficient));
      loss += evaluateObjective(term.objective, { ...input, values }).loss;
    } else {
      const pass = await model.nll(batch);
      try {
        const result = evaluateObjective(term.objective, { ...input, values: pass.values });
        loss += result.loss;
        // Weights of a loss that is not finite are none to pull back; the caller sees the loss and stops.
        if (!Number.isFinite(result.loss)) break;
        pause();
        await pass.backward(scaled(result.weights, term.coefficient));
      } finally {
        pass.release();
      }
    }
    done += part.length;
  }
  return { loss, tokens: whole.tokens };
}

/** Indices of sequences in parts of like length, so that little is padded. */
function byLength(sequences: readonly TokenSequence[], size: number): number[][] {
  const order = sequences.map((_, index) => index);
  if (sequences.length > size) order.sort((a, b) => sequences[b]!.tokens.length - sequences[a]!.tokens.length || a - b);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, part) =>
    order.slice(part * size, (part + 1) * size),
  );
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

function scaled(weights: Float32Array, factor: number): Float32Array {
  return factor === 1 ? weights : weights.map((weight) => weight * factor);
}
