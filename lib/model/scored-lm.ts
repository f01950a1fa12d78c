/**
 * Models of which nothing but the likelihoods of tokens is known, for zeroth-order algorithms.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import type { Releasable } from '../core/release.ts';
import type { DifferentiableLM, TokenScores } from './contract.ts';
import type { ParameterLayout } from './parameter-layout.ts';
import type { TokenBatch } from './token-batch.ts';

/** A language model that is a function of its parameters, whatever computes it: it has no gradients. */
export interface ScoredLM {
  /** How many tokens there are; where it is given, sequences with others are refused before they are scored. */
  readonly vocabularySize?: number;
  /** What the model is a function of. Others write to `values` between two calls. */
  readonly parameters: { readonly values: FlatBuffer; readonly layout: ParameterLayout };
  /** Figures of every label token, under the values as they are. */
  score(batch: TokenBatch, options?: Cancellable): Promise<TokenScores>;
}

/**
 * A scored model in the form that labs and descents take. Its gradients are memory of its own, of the values' dtype, which algorithms
 * that estimate gradients from losses (mezo, deepzero) fill; whatever asks the model itself for a gradient is refused
 * with SOUL_UNSUPPORTED.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no ScoredLM
 */
export function gradientFree(model: ScoredLM): DifferentiableLM & Releasable {
  const { values, layout } = model?.parameters ?? {};
  if (!(values instanceof FlatBuffer)) throw invalidArgument('model.parameters.values', 'a FlatBuffer', values);
  if (layout?.length !== values.length) {
    throw invalidArgument('model.parameters.layout.length', `${values.length}, as many as values`, layout?.length);
  }
  if (typeof model.score !== 'function') throw invalidArgument('model.score', 'a function', model.score);
  const gradients = FlatBuffer.alloc(values.length, { dtype: values.dtype, device: values.device });
  const { vocabularySize } = model;
  return {
    ...(vocabularySize === undefined ? {} : { vocabularySize }),
    parameters: { values, gradients, layout },
    score: (batch, options) => model.score(batch, options),
    nll: async () => refuse('a pass that can be pulled back'),
    klTo: async () => refuse('a divergence'),
    accumulate: async () => refuse('a gradient, as first-order algorithms and curvature estimates of Sophia need it'),
    release: () => gradients.release(),
  };
}

function refuse(what: string): never {
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `this model gives scores alone (ScoredLM), not ${what}; use a zeroth-order algorithm (mezo, deepzero) on a method of token ` +
      'likelihoods, with an optimizer that takes no curvature estimates (AdamW)',
  );
}
