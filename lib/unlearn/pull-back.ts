/**
 * One term of a loss, pulled back into the gradients of a model.
 *
 * @module
 */

import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { DifferentiableLM, Pass, ReferenceLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import { evaluateObjective, type ObjectiveInput } from './objective.ts';
import { passOf } from './quantity.ts';
import type { Term } from './term.ts';
import { countsOf, type PartOptions, partOptionNames, termParts } from './term-parts.ts';

export interface TermValue {
  /** The objective's loss, without the coefficient. */
  loss: number;
  /** Label tokens that it runs over. */
  tokens: number;
}

export interface PullBackOptions extends PartOptions {
  /** Factor of the objective. Default 1. */
  coefficient?: number;
  /** For a term whose quantity compares with it: the starting model. */
  referenceModel?: ReferenceLM;
  /** Passes that were run for the term's quantity already, over these sequences in order: the parts, in place of those of the limits. */
  passes?: readonly Pass[];
}

const optionNames = [
  ...partOptionNames,
  'coefficient',
  'referenceModel',
  'passes',
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
  const { quantity = 'nll' } = term;
  const { coefficient = 1, referenceModel, passes, signal } = options;
  const evaluate = (tokens: ObjectiveInput) => evaluateObjective(term.objective, tokens, term.name);
  let loss = 0;
  let part = 0;
  const parts = termParts(sequences, model?.vocabularySize, options, 'a gradient', passes?.map(sequencesOf));
  for (const { batch, input, pause } of parts) {
    const given = passes?.[part++];
    if (given === undefined && term.objective.linear && quantity === 'nll') {
      const { weights } = evaluate({ ...input, values: new Float32Array(batch.labelCount) });
      const values = await model.accumulate(batch, scaled(weights, coefficient), withoutUndefined({ signal }));
      loss += evaluate({ ...input, values }).loss;
    } else {
      const pass = given ?? (await passOf(model, quantity, batch, withoutUndefined({ signal, referenceModel })));
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
  }
  return { loss, tokens: countsOf(sequences).tokens };
}

/** How many sequences a pass is over. */
function sequencesOf({ offsets }: Pass): number {
  return offsets.length - 1;
}

function scaled(weights: Float32Array, factor: number): Float32Array {
  return factor === 1 ? weights : weights.map((weight) => weight * factor);
}
