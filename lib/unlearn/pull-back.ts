/**
 * One term of a loss, pulled back into the gradients of a model.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { batchParts, type PartLimits } from '../model/batch-parts.ts';
import type { DifferentiableLM, ReferenceLM } from '../model/contract.ts';
import { checkSequences, TokenBatch, type TokenSequence } from '../model/token-batch.ts';
import { evaluateObjective, type Objective, type ObjectiveInput } from './objective.ts';
import type { Term } from './term.ts';

export interface TermValue {
  /** The objective's loss, without the coefficient. */
  loss: number;
  /** Label tokens that it runs over. */
  tokens: number;
}

export interface PullBackOptions extends Cancellable {
  /** Sequences in memory at a time; of an example that has several, never fewer than those. */
  microBatchSize: number;
  /** Tokens in memory at a time; an example that has more comes by itself. Default: no bound. */
  batchTokens?: number;
  /** Factor of the objective. Default 1. */
  coefficient?: number;
  /** Sequences of an example, which stand one behind the other and are never parted. Default 1. */
  width?: number;
  /** Counts that means run over, where these sequences are a part of more. Default those of the sequences. */
  whole?: { readonly tokens: number; readonly sequences: number };
  /** For each sequence, -log p of its label tokens under the reference model. */
  reference?: readonly Float32Array[];
  /** For a term of quantity `kl`: the model to compare with. */
  referenceModel?: ReferenceLM;
}

const optionNames = [
  'microBatchSize',
  'batchTokens',
  'coefficient',
  'width',
  'whole',
  'reference',
  'referenceModel',
  'signal',
] as const satisfies readonly (keyof PullBackOptions)[];

/**
 * Adds `coefficient * d objective / d theta` over all sequences to the model's gradients, a few sequences at a time.
 *
 * The result does not depend on `microBatchSize` and `batchTokens` but for rounding: means run over the whole batch. Where the loss is not
 * finite, or the work was cancelled between two passes, the gradients hold a part of the term: zero them.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no sequence, or an objective that does not return a loss and its
 *   weights; SOUL_CANCELLED
 */
export async function pullBack(
  model: DifferentiableLM,
  term: Pick<Term, 'objective' | 'quantity'> & Partial<Pick<Term, 'name'>>,
  sequences: readonly TokenSequence[],
  options: PullBackOptions,
): Promise<TermValue> {
  checkNames('options', options, optionNames);
  const { microBatchSize, batchTokens, coefficient = 1, width = 1, referenceModel, signal } = options;
  checkInteger('microBatchSize', microBatchSize);
  if (batchTokens !== undefined) checkInteger('batchTokens', batchTokens);
  checkSequences('sequences', sequences, model?.vocabularySize);
  if (sequences.length % checkInteger('width', width) !== 0) {
    throw invalidArgument('sequences', `a multiple of ${width}, the sequences of an example`, sequences.length);
  }
  const own = countsOf(sequences);
  const { whole = own } = options;
  let done = 0;
  const pause = () =>
    throwIfCancelled(signal, `a gradient was cancelled after ${done} of ${own.sequences} sequences`, {
      done,
      total: own.sequences,
    });
  const evaluate = (tokens: ObjectiveInput) => evaluateObjective(term.objective, tokens, term.name);
  let loss = 0;
  for (const part of partsOf(sequences, width, { examples: microBatchSize, tokens: batchTokens })) {
    pause();
    const batch = TokenBatch.of(part.map((index) => sequences[index]!));
    const reference = options.reference && concatenated(part.map((index) => options.reference![index]!));
    const input = { offsets: batch.labelOffsets, whole, ...(reference ? { reference } : {}) };
    if (term.objective.linear && term.quantity !== 'kl') {
      const { weights } = evaluate({ ...input, values: new Float32Array(batch.labelCount) });
      const values = await model.accumulate(batch, scaled(weights, coefficient), withoutUndefined({ signal }));
      loss += evaluate({ ...input, values }).loss;
    } else {
      const pass = await passOf(model, term, batch, withoutUndefined({ signal, referenceModel }));
      try {
        const result = evaluate({ ...input, values: pass.values });
        loss += result.loss;
        // Weights of a loss that is not finite are none to pull back; the caller sees the loss and stops.
        if (!Number.isFinite(result.loss)) break;
        pause();
        await pass.backward(scaled(result.weights, coefficient), withoutUndefined({ signal }));
      } finally {
        pass.release();
      }
    }
    done += part.length;
  }
  return { loss, tokens: own.tokens };
}

/** What means over these sequences run over. */
export function countsOf(sequences: readonly TokenSequence[]): { tokens: number; sequences: number } {
  return {
    sequences: sequences.length,
    tokens: sequences.reduce((sum, { tokens, labelsFrom }) => sum + tokens.length - labelsFrom, 0),
  };
}

function passOf(
  model: DifferentiableLM,
  { quantity = 'nll' }: { readonly objective: Objective; readonly quantity?: Term['quantity'] },
  batch: TokenBatch,
  { signal, referenceModel }: Pick<PullBackOptions, 'signal' | 'referenceModel'>,
) {
  const options = withoutUndefined({ signal });
  if (quantity === 'nll') return model.nll(batch, options);
  if (referenceModel === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'a term of quantity kl needs the starting model (referenceModel)', {
      argument: 'referenceModel',
    });
  }
  return model.klTo(referenceModel, batch, options);
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
