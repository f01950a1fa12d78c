/**
 * Cholesky's factorisation and solution, in float64.
 *
 * @module
 */

/** Columns of a panel: at a size of 1536 its rows take 768 KiB, and stay in a core's own cache while all rows below go by. */
const panelColumns = 64;

/**
 * Factors a symmetric positive definite matrix, A = L L^T, panel by panel of columns: n^3 / 3 products and sums.
 *
 * @param matrix [n, n], row after row; of it the lower triangle is read, and becomes L
 * @returns undefined; else the first row that depends on those before it, to rounding, or makes the matrix indefinite: it has no factor then
 */
export function choleskyFactor(matrix: Float64Array, n: number): number | undefined {
  // A pivot that is no more than its rounding says nothing.
  const least = Float64Array.from({ length: n }, (_, i) => n * Number.EPSILON * matrix[i * n + i]!);
  for (let begin = 0; begin < n; begin += panelColumns) {
    for (let i = begin; i < n; i++) {
      const end = Math.min(begin + panelColumns, i + 1);
      subtractPanels(matrix, n, i, begin, end);
      const own = i * n;
      for (let j = begin; j < end; j++) {
        const other = j * n;
        let value = matrix[own + j]!;
        for (let k = begin; k < j; k++) value -= matrix[own + k]! * matrix[other + k]!;
        if (j < i) matrix[own + j] = value / matrix[other + j]!;
        else if (value > least[i]! && value < Number.POSITIVE_INFINITY) matrix[own + j] = Math.sqrt(value);
        else return i;
      }
    }
  }
  return undefined;
}

/** Takes what the panels before `begin` explain out of columns `begin` to `end` of row i, four columns at a time. */
function subtractPanels(matrix: Float64Array, n: number, i: number, begin: number, end: number): void {
  const own = i * n;
  let j = begin;
  for (; j + 4 <= end; j += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let k = 0, at = j * n; k < begin; k++, at++) {
      const value = matrix[own + k]!;
      a += value * matrix[at]!;
      b += value * matrix[at + n]!;
      c += value * matrix[at + 2 * n]!;
      d += value * matrix[at + 3 * n]!;
    }
    matrix[own + j]! -= a;
    matrix[own + j + 1]! -= b;
    matrix[own + j + 2]! -= c;
    matrix[own + j + 3]! -= d;
  }
  for (; j < end; j++) {
    let sum = 0;
    for (let k = 0; k < begin; k++) sum += matrix[own + k]! * matrix[j * n + k]!;
    matrix[own + j]! -= sum;
  }
}

/**
 * Solves L L^T x = b in place.
 *
 * @param factor [n, n], of which the lower triangle is L
 * @param right b, of length n, which becomes x
 */
export function choleskySolve(factor: Float64Array, n: number, right: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let value = right[i]!;
    for (let k = 0; k < i; k++) value -= factor[i * n + k]! * right[k]!;
    right[i] = value / factor[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const value = right[i]! / factor[i * n + i]!;
    right[i] = value;
    for (let k = 0; k < i; k++) right[k]! -= factor[i * n + k]! * value;
  }
}
