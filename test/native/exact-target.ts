import { logSoftmax } from './log-softmax.ts';

export interface ExactTarget {
  readonly crossEntropy: number;
  /** By the logits. */
  readonly gradient: number[];
  readonly p: number[];
  readonly t: number[];
}

/**
 * The cross-entropy to softmax(reference + shift * onehot(label)) in float64; without a reference the logits are it. A reference's
 * logit is shifted in float32, and what lies further below the largest than float32's exponentials reach has no part.
 */
export function exactTarget(
  logits: Float32Array,
  reference: Float32Array | undefined,
  label: number,
  shift: number,
): ExactTarget {
  const shifted = Array.from(reference ?? logits);
  shifted[label] = reference ? Math.fround(shifted[label]! + shift) : shifted[label]! + shift;
  const logP = logSoftmax(logits);
  const p = logP.map(Math.exp);
  const t = logSoftmax(shifted).map((x) => (x < -104 ? 0 : Math.exp(x)));
  const crossEntropy = t.reduce((sum, mass, i) => (mass === 0 ? sum : sum - mass * logP[i]!), 0);
  return { crossEntropy, gradient: p.map((mass, i) => mass - t[i]!), p, t };
}

/** How far a gradient may be from the exact one: of own targets it is right to its own last digits. */
export function gradientBound(exact: ExactTarget, i: number, own: boolean, logSumExps: readonly number[]): number {
  const sums = logSumExps.reduce((sum, x) => sum + Math.abs(x), 0);
  const relative = 1e-5 + 2 ** -23 * sums;
  const largest = Math.max(exact.p[i]!, exact.t[i]!);
  // Denormal products, and what float64 leaves of a difference of exponentials.
  const least = 1e-37 + 2 ** -51 * (8 + sums - Math.log(largest || 1)) * largest;
  return relative * (own ? Math.abs(exact.gradient[i]!) : largest) + least;
}
