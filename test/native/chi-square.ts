/** Pearson's statistic of counts against their expectations, as a standard normal number (Wilson and Hilferty). */
export function chiSquareZ(counts: ArrayLike<number>, expected: ArrayLike<number>): number {
  let statistic = 0;
  let degrees = -1;
  for (let i = 0; i < counts.length; i++) {
    statistic += (counts[i]! - expected[i]!) ** 2 / expected[i]!;
    degrees += 1;
  }
  const spread = 2 / (9 * degrees);
  return (Math.cbrt(statistic / degrees) - (1 - spread)) / Math.sqrt(spread);
}
