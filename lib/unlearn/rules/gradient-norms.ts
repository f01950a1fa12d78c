/**
 * Lengths of gradients, read off their Gram matrix.
 *
 * @module
 */

/** A gradient this much shorter than the longest is nothing but rounding, and none to divide by. */
const negligible = 1e-12;

/** The norm of each gradient; 0 of one that is negligible beside the longest. */
export function gradientNorms(products: readonly (readonly number[])[]): number[] {
  const norms = products.map((row, i) => Math.sqrt(Math.max(0, row[i]!)));
  const longest = Math.max(...norms);
  return norms.map((norm) => (norm > negligible * longest ? norm : 0));
}
