/**
 * The token loss over a chunk of logits: scores, then the gradient in place of the logits.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { nativeMemory } from '../../lib/core/flat-buffer.ts';
import type { KernelCase, Prepared } from './case.ts';
import { filledBuffer } from './memory.ts';

export interface LogitsShape {
  /** Label tokens. */
  readonly rows: number;
  readonly vocabulary: number;
}

/** Where the labels come from. */
export type Labels = 'given' | 'sampled';

/** A model's logits spread over some units. */
const logitScale = 4;
const sampleSeed = 1n;

export function tokenLossCase(labels: Labels, shape: LogitsShape): KernelCase {
  return {
    subject: 'The token loss',
    kernel: labels === 'given' ? 'token-loss' : 'sampled-token-loss',
    title: labels === 'given' ? 'Token loss and gradient' : 'Token loss and gradient, labels sampled',
    storage: 'f32',
    shape,
    // One read for the scores, then a read and a write.
    bytesPerElement: 4 + 4 + 4,
    residentBytesPerElement: 4 + 4,
    prepare: () => prepareTokenLoss(labels, shape, true),
  };
}

/**
 * @param keep whether the logits are put back before each run; without, each run works on the gradients that the one
 *   before left, in half the memory
 */
export async function prepareTokenLoss(
  labels: Labels,
  { rows, vocabulary }: LogitsShape,
  keep: boolean,
): Promise<Prepared> {
  const addon = nativeAddon();
  const logits = await filledBuffer(rows * vocabulary, 'f32', logitScale);
  const original = keep ? await filledBuffer(rows * vocabulary, 'f32', logitScale) : undefined;
  const memory = nativeMemory(logits, 'logits');
  const labelOf = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);
  const logSumExp = new Float32Array(rows);
  const nll = new Float32Array(rows);
  const weights = new Float32Array(rows).fill(1 / rows);
  return {
    run() {
      const scored = addon.scoreTokens(
        memory,
        vocabulary,
        labels === 'given'
          ? { labels: labelOf, logSumExp, nll }
          : { sampledLabels: labelOf, sampleSeed, logSumExp, nll },
      );
      return Promise.all([scored, addon.tokenGradient(memory, vocabulary, labelOf, weights, logSumExp)]);
    },
    passes: [
      { reads: [logits], writes: [] },
      { reads: [logits], writes: [logits] },
    ],
    ...(original ? { reset: () => logits.copyFrom(original) } : {}),
    async release() {
      await Promise.all([logits.release(), original?.release()]);
    },
  };
}
