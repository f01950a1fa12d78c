/**
 * Dense least squares by Householder's reflections, for tests: it never forms X^T X.
 *
 * @module
 */

/** w that minimises |X w - y|, X of full column rank, in float64. */
export function leastSquares(rows: readonly (readonly number[])[], right: readonly number[]): number[] {
  const columns = rows[0]!.length;
  const matrix = rows.map((row, i) => [...row, right[i]!]);
  for (let k = 0; k < columns; k++) {
    const below = matrix.slice(k).map((row) => row[k]!);
    const norm = Math.hypot(...below);
    const reflected = [...below];
    reflected[0]! += below[0]! >= 0 ? norm : -norm;
    const length = reflected.reduce((sum, value) => sum + value * value, 0);
    for (let j = k; j <= columns; j++) {
      const product = reflected.reduce((sum, value, i) => sum + value * matrix[k + i]![j]!, 0);
      for (const [i, value] of reflected.entries()) matrix[k + i]![j]! -= (2 * value * product) / length;
    }
  }
  const solution = new Array<number>(columns).fill(0);
  for (let k = columns - 1; k >= 0; k--) {
    const known = solution.reduce((sum, value, j) => (j > k ? sum + matrix[k]![j]! * value : sum), 0);
    solution[k] = (matrix[k]![columns]! - known) / matrix[k]![k]!;
  }
  return solution;
}
