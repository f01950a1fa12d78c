/**
 * A bigram model of 32 tokens whose table is four tensors of eight rows each, for what goes by the names and kinds of tensors.
 *
 * The last six numbers of the second tensor's place are padding to its layout, which is to say nothing of them.
 *
 * @module
 */

import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { BigramLM } from '../model/bigram-lm.ts';

export const tokens = 32;

export const layout: ParameterLayout = ParameterLayout.of([
  { name: 'embed', shape: [256], group: 'embedding' },
  { name: 'layers.0.mlp', shape: [250], group: 'matrix' },
  { name: 'layers.1.mlp', shape: [256], group: 'matrix' },
  { name: 'final_norm', shape: [256], group: 'vector' },
]);

/** The tensor that a weight belongs to; undefined in padding. */
export function tensorOf(index: number): string | undefined {
  for (const [name, { offset, shape }] of layout) {
    if (index >= offset && index < offset + shape[0]!) return name;
  }
  return undefined;
}

export interface LayeredModel extends DifferentiableLM {
  readonly inner: BigramLM;
}

export function layeredModel(): LayeredModel {
  const inner = BigramLM.random(tokens, 9n);
  const { values, gradients } = inner.parameters;
  return {
    inner,
    vocabularySize: tokens,
    parameters: { values, gradients, layout },
    nll: (batch) => inner.nll(batch),
    klTo: (reference, batch) => inner.klTo(reference, batch),
    accumulate: (...given) => inner.accumulate(...given),
    score: (batch) => inner.score(batch),
  };
}

/** Sequences that meet rows of every tensor. */
export const target: readonly TokenSequence[] = [
  { tokens: [0, 9, 17, 25, 3], labelsFrom: 1 },
  { tokens: [4, 11, 20, 29, 5], labelsFrom: 1 },
  { tokens: [6, 14, 23, 30, 7], labelsFrom: 1 },
];
export const retain: readonly TokenSequence[] = [
  { tokens: [1, 9, 18, 25, 2], labelsFrom: 1 },
  { tokens: [4, 12, 20, 26, 8], labelsFrom: 1 },
];

/** The gradient of the mean cross-entropy over sequences of one length, straight from the softmax. */
export function plainGradient({ inner }: LayeredModel, sequences: readonly TokenSequence[]): number[] {
  const sum = new Array<number>(tokens ** 2).fill(0);
  const labels = sequences.reduce((count, each) => count + each.tokens.length - each.labelsFrom, 0);
  for (const each of sequences) {
    for (let t = each.labelsFrom; t < each.tokens.length; t++) {
      const previous = each.tokens[t - 1]!;
      inner.logProbabilities(previous).forEach((logP, token) => {
        sum[previous * tokens + token]! += (Math.exp(logP) - (token === each.tokens[t] ? 1 : 0)) / labels;
      });
    }
  }
  return sum;
}
