/**
 * What an objective is: a pure function from token losses to their weights in the gradient.
 *
 * @module
 */

import { types } from 'node:util';
import { describe, SoulError } from '../core/errors.ts';

/** The label tokens of one pass, sequence after sequence. */
export interface ObjectiveInput {
  /** -log p(label) of every label token, in nats. */
  readonly values: Float32Array;
  /** Where each sequence begins in `values`; one more entry than sequences. */
  readonly offsets: Uint32Array;
  /** The same values under the reference model, for objectives that compare with one. */
  readonly reference?: Float32Array;
  /**
   * How many label tokens and sequences the means run over; absent, those of this input. A loop that splits a batch gives
   * the whole batch's counts with every part, so that the parts' losses and gradients add up to the batch's.
   */
  readonly whole?: { readonly tokens: number; readonly sequences: number };
}

export interface ObjectiveResult {
  /** To be minimised, in nats unless the objective says otherwise. */
  readonly loss: number;
  /** d loss / d values[i]. */
  readonly weights: Float32Array;
}

/**
 * A loss on token likelihoods, with its derivative.
 *
 * Objectives know no tensors and no model: anyone can run one on a trainer of their own.
 */
export interface Objective {
  (tokens: ObjectiveInput): ObjectiveResult;
  /** True where the weights depend on the offsets alone: a model then needs one pass (`accumulate`), not two. */
  readonly linear?: boolean;
  /** True where `reference` must be given. */
  readonly needsReference?: boolean;
}

/**
 * The objective's result, checked: a mistake in one of the user's own is told by name before it reaches a model.
 *
 * @param term the name of the term that it is of
 * @throws SoulError SOUL_INVALID_ARGUMENT unless the objective returns, at once, a number and one weight for each value; of what it
 *   throws itself, the error is the cause
 */
export function evaluateObjective(objective: Objective, input: ObjectiveInput, term?: string): ObjectiveResult {
  const own = objective.name === '' ? 'the objective' : `the objective ${objective.name}`;
  const name = term === undefined ? own : `${own} of the term ${term}`;
  const details = { argument: 'objective', objective: objective.name, term };
  const refuse = (found: string): never => {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${name} must return { loss, weights }, a number and a Float32Array of ${input.values.length}, but ${found}`,
      details,
    );
  };
  let result: unknown;
  try {
    result = objective(input);
  } catch (error) {
    if (error instanceof SoulError) throw error;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${name} failed: ${String(error)}`, details, { cause: error });
  }
  if (typeof result !== 'object' || result === null) return refuse(`returned ${describe(result)}`);
  if ('then' in result && typeof result.then === 'function') {
    // Should it be rejected, nobody else would hear of it, and the process would end for that.
    result.then(undefined, () => {});
    return refuse('returned a promise; a loss is computed at once: await what it needs before');
  }
  const { loss, weights } = result as Record<string, unknown>;
  if (typeof loss !== 'number') return refuse(`its loss is ${describe(loss)}`);
  if (!types.isFloat32Array(weights) || weights.length !== input.values.length) {
    return refuse(`its weights are ${describe(weights)}`);
  }
  return { loss, weights };
}

/** Sum of the values of each sequence, in double precision. */
export function sequenceSums(values: Float32Array, offsets: Uint32Array): Float64Array {
  const sums = new Float64Array(offsets.length - 1);
  for (let i = 0; i < sums.length; i++) {
    let sum = 0;
    for (let t = offsets[i]!; t < offsets[i + 1]!; t++) sum += values[t]!;
    sums[i] = sum;
  }
  return sums;
}

/**
 * The reference values of an objective that compares with them.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT unless there is one for each value
 */
export function requireReference({ values, reference }: ObjectiveInput): Float32Array {
  if (reference?.length === values.length) return reference;
  throw new SoulError('SOUL_INVALID_ARGUMENT', 'reference must hold one value for each label token', {
    argument: 'reference',
    expected: values.length,
    found: reference?.length,
  });
}

/** The counts that means run over. */
export function wholeCounts(tokens: ObjectiveInput): { tokens: number; sequences: number } {
  return tokens.whole ?? { tokens: tokens.values.length, sequences: tokens.offsets.length - 1 };
}
