/**
 * How what is too much for the memory at once is cut into parts.
 *
 * @module
 */

/** What may be in memory at a time. */
export interface PartLimits {
  /** Examples of a part; at least 1. */
  readonly examples: number;
  /** Tokens of a part, all its sequences together; an example that has more is a part by itself. */
  readonly tokens?: number | undefined;
}

/**
 * Indices of examples in parts, each of examples of like length, the longest first: little is padded, and memory peaks at the start.
 * What fits into one part stays in its order.
 *
 * @param lengths tokens of each example's sequences; of most examples one
 */
export function batchParts(lengths: readonly (readonly number[])[], limits: PartLimits): number[][] {
  const { examples: most, tokens: mostTokens = Number.POSITIVE_INFINITY } = limits;
  const longest = lengths.map((sequences) => Math.max(...sequences));
  const totals = lengths.map((sequences) => sequences.reduce((sum, length) => sum + length, 0));
  const order = lengths.map((_, i) => i);
  const all = totals.reduce((sum, total) => sum + total, 0);
  if (order.length <= most && all <= mostTokens) return order.length === 0 ? [] : [order];
  order.sort((a, b) => longest[b]! - longest[a]! || a - b);
  const parts: number[][] = [];
  let tokens = 0;
  for (const example of order) {
    const own = totals[example]!;
    const part = parts.at(-1);
    if (part !== undefined && part.length < most && tokens + own <= mostTokens) {
      part.push(example);
      tokens += own;
    } else {
      parts.push([example]);
      tokens = own;
    }
  }
  return parts;
}
