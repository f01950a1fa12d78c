/**
 * Rows of logits with labels, and what the addon gives of their cross-entropy to a target.
 *
 * @module
 */

import { type NativeMemory, nativeAddon } from '../../lib/core/addon.ts';
import { hashed } from '../optim/hashed.ts';

export const rowsOf = (stream: number, rows: number, vocabulary: number, scale: number): Float32Array =>
  hashed(stream, rows * vocabulary).map((x) => x * scale);

export const labelsOf = (rows: number, vocabulary: number): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => (row * 7919) % vocabulary);

/** The cross-entropy of each row, and the figures that its gradient takes. */
export async function scoreTargets(
  logits: NativeMemory,
  reference: NativeMemory | undefined,
  vocabulary: number,
  labels: Int32Array,
  shift: number,
) {
  const numbers = () => new Float32Array(labels.length);
  const [crossEntropy, logSumExp, targetLogSumExp, labelProbability] = [numbers(), numbers(), numbers(), numbers()];
  const target = { labels, shift, logSumExp, targetLogSumExp, labelProbability };
  await nativeAddon().scoreTarget(logits, reference, vocabulary, target, crossEntropy);
  return { crossEntropy, target };
}
