/**
 * The min-norm point of the gradients' hull: the direction along which no term ascends.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import type { GradientRule } from '../gradient-rule.ts';
import { gradientNorms } from './gradient-norms.ts';

export interface MinNormOptions {
  /** Scales gradients to one length first; else the point lies near the shortest. Default true. */
  normalised?: boolean;
}

/** Every face of the hull is looked at, and there are 2^terms of them. */
const mostTerms = 8;

/**
 * The convex combination d of the gradients with the smallest norm: g_j . d >= |d|^2 for each, so that a small step along -d raises no
 * term; d = 0 where the terms are Pareto-stationary.
 *
 * With `normalised` the gradients are scaled to the mean of their lengths before. The result is rescaled to the length of the
 * gradients' mean, as the authors' FedMDFG does. Only inner products are needed ("dual space").
 *
 * Source: MGDA, Désidéri 2012; MOLLM, arXiv 2412.20412 (from its abstract and its first author's related code).
 */
export function minNorm({ normalised = true }: MinNormOptions = {}): GradientRule {
  return {
    name: 'min-norm',
    combine(products) {
      if (products.length > mostTerms) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `the rule min-norm takes at most ${mostTerms} terms, but there are ${products.length}; leave some out`,
          { argument: 'terms', found: products.length },
        );
      }
      const lengths = gradientNorms(products);
      const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
      // A gradient of 0 is the min-norm point itself: nothing can be lowered without a say of that term, which has none.
      const scales = lengths.map((length) => (length === 0 ? 0 : normalised ? mean / length : 1));
      const live = lengths.flatMap((length, i) => (length > 0 ? [i] : []));
      const gram = live.map((i) => live.map((j) => products[i]![j]! * scales[i]! * scales[j]!));
      const weights = simplexMinimum(gram);
      const coefficients = new Array<number>(products.length).fill(0);
      for (const [k, i] of live.entries()) coefficients[i] = weights[k]! * scales[i]!;

      const norm = Math.sqrt(Math.max(quadratic(products, coefficients), 0));
      const average = products.map(() => 1 / products.length);
      const wanted = Math.sqrt(Math.max(quadratic(products, average), 0));
      // Opposite gradients leave only rounding, which must not be blown up to a step.
      if (norm <= 1e-6 * mean) return coefficients.map(() => 0);
      return coefficients.map((each) => (each * wanted) / norm);
    },
  };
}

/** argmin over the simplex of w^T G w, exactly: the best of the stationary points of all its faces. */
export function simplexMinimum(gram: readonly (readonly number[])[]): number[] {
  const count = gram.length;
  let best: { weights: number[]; value: number } | undefined;
  for (let face = 1; face < 1 << count; face++) {
    const members = Array.from({ length: count }, (_, i) => i).filter((i) => face & (1 << i));
    const solution = stationary(members.map((i) => members.map((j) => gram[i]![j]!)));
    if (solution === undefined) continue;
    const weights = new Array<number>(count).fill(0);
    for (const [k, i] of members.entries()) weights[i] = solution[k]!;
    const value = quadratic(gram, weights);
    if (best === undefined || value < best.value) best = { weights, value };
  }
  return best?.weights ?? [];
}

/** Where w^T G w is stationary under sum w = 1, if that lies in the simplex: G w = m 1. */
function stationary(gram: readonly (readonly number[])[]): number[] | undefined {
  const size = gram.length;
  if (size === 1) return [1];
  // Differences to the last member turn the condition into size - 1 linear equations.
  const rows = Array.from({ length: size - 1 }, (_, i) => {
    const last = size - 1;
    const row = Array.from(
      { length: size - 1 },
      (_, j) => gram[i]![j]! - gram[i]![last]! - gram[last]![j]! + gram[last]![last]!,
    );
    return [...row, gram[last]![last]! - gram[i]![last]!];
  });
  const solution = solve(rows);
  if (solution === undefined) return undefined;
  const weights = [...solution, 1 - solution.reduce((sum, weight) => sum + weight, 0)];
  return weights.every((weight) => weight >= 0) ? weights : undefined;
}

/** Gaussian elimination with pivots; undefined for a singular system, whose minimum a smaller face has too. */
function solve(rows: number[][]): number[] | undefined {
  const size = rows.length;
  const scale = Math.max(...rows.flatMap((row) => row.slice(0, size).map(Math.abs)));
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let i = column; i < size; i++) if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i;
    if (!(Math.abs(rows[pivot]![column]!) > 1e-12 * scale)) return undefined;
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    for (let i = 0; i < size; i++) {
      if (i === column) continue;
      const factor = rows[i]![column]! / rows[column]![column]!;
      for (let j = column; j <= size; j++) rows[i]![j]! -= factor * rows[column]![j]!;
    }
  }
  return rows.map((row, i) => row[size]! / row[i]!);
}

/** w^T G w. */
function quadratic(gram: readonly (readonly number[])[], weights: readonly number[]): number {
  let sum = 0;
  for (const [i, row] of gram.entries()) for (const [j, each] of row.entries()) sum += weights[i]! * weights[j]! * each;
  return sum;
}
