/** float64 log-probabilities of one row. */
export function logSoftmax(logits: ArrayLike<number>): number[] {
  const row = Array.from(logits);
  const maximum = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x - maximum), 0));
  return row.map((x) => x - maximum - logSum);
}
