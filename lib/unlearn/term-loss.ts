/**
 * The loss of one term at the weights as they are, without a gradient.
 *
 * @module
 */

import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { DifferentiableLM, ReferenceLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import { evaluateObjective } from './objective.ts';
import type { TermValue } from './pull-back.ts';
import { valuesOf } from './quantity.ts';
import type { Term } from './term.ts';
import { countsOf, type PartOptions, partOptionNames, termParts } from './term-parts.ts';

export interface TermLossOptions extends PartOptions {
  /** For a term whose quantity compares with it: the starting model. */
  referenceModel?: ReferenceLM;
}

/**
 * The objective over all sequences, a few at a time. A term of quantity `nll` asks the model for nothing but `score`.
 *
 * The result does not depend on `microBatchSize` and `batchTokens` but for rounding: means run over the whole batch.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT as `pullBack` does; SOUL_CANCELLED
 */
export async function termLoss(
  model: DifferentiableLM,
  term: Pick<Term, 'objective' | 'quantity'> & Partial<Pick<Term, 'name'>>,
  sequences: readonly TokenSequence[],
  options: TermLossOptions,
): Promise<TermValue> {
  checkNames('options', options, [...partOptionNames, 'referenceModel']);
  const { referenceModel, signal } = options;
  let loss = 0;
  for (const { batch, input } of termParts(sequences, model?.vocabularySize, options, 'a loss')) {
    const values = await valuesOf(model, term.quantity ?? 'nll', batch, withoutUndefined({ signal, referenceModel }));
    loss += evaluateObjective(term.objective, { ...input, values }, term.name).loss;
  }
  return { loss, tokens: countsOf(sequences).tokens };
}
