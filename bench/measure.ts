/**
 * Times of two contestants taken in turn, and what can be said of them.
 *
 * @module
 */

/** Where samples lie: quantiles by linear interpolation. */
export interface Spread {
  count: number;
  minimum: number;
  lowerQuartile: number;
  median: number;
  upperQuartile: number;
}

/** Something that can be timed again and again: each turn gives its nanoseconds. */
export interface Contestant {
  turn(): Promise<number>;
}

export interface AlternationOptions {
  /** Time that the timed parts of all turns together may take, beyond the fewest pairs. */
  seconds: number;
  /** Pairs that are taken whatever they cost. Default 5. */
  fewestPairs?: number;
  /** Default 2000. */
  mostPairs?: number;
  /** Pause after every turn, so that one side's idle threads are asleep when the other's turn begins. Default 0. */
  pauseMilliseconds?: number;
}

/** Two contestants measured in one stretch of time; times in nanoseconds. */
export interface Alternation {
  first: Spread;
  second: Spread;
  /** Of first to second, pair by pair. */
  ratio: Spread;
}

/** A share of the time goes to turns that aren't counted, so that memory is touched and clocks have risen. */
const warmUpShare = 0.1;
const fewestWarmUpPairs = 2;

/**
 * The quantile of sorted samples.
 *
 * @param share from 0, the smallest, to 1, the largest
 */
export function quantileOfSorted(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below];
  if (low === undefined) return Number.NaN;
  const high = sorted[below + 1] ?? low;
  return Math.min(low + (high - low) * (position - below), high); // rounded up it may pass by a little
}

export function median(samples: readonly number[]): number {
  return quantileOfSorted(ascending(samples), 0.5);
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = ascending(samples);
  return {
    count: sorted.length,
    minimum: quantileOfSorted(sorted, 0),
    lowerQuartile: quantileOfSorted(sorted, 0.25),
    median: quantileOfSorted(sorted, 0.5),
    upperQuartile: quantileOfSorted(sorted, 0.75),
  };
}

/** Nanoseconds until what `run` returns has resolved. */
export async function nanosecondsOf(run: () => Promise<unknown>): Promise<number> {
  const begun = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - begun);
}

/** Gives the two their turns, one after the other (A B A B ...), so that what slows the machine slows both. */
export async function alternate(
  first: Contestant,
  second: Contestant,
  options: AlternationOptions,
): Promise<Alternation> {
  const { seconds, fewestPairs = 5, mostPairs = 2000 } = options;
  const nanoseconds = seconds * 1e9;
  await takePairs(first, second, options, fewestWarmUpPairs, mostPairs, nanoseconds * warmUpShare);
  const pairs = await takePairs(first, second, options, fewestPairs, mostPairs, nanoseconds);
  return {
    first: spreadOf(pairs.map((pair) => pair[0])),
    second: spreadOf(pairs.map((pair) => pair[1])),
    ratio: spreadOf(pairs.map((pair) => pair[0] / pair[1])),
  };
}

async function takePairs(
  first: Contestant,
  second: Contestant,
  { pauseMilliseconds = 0 }: AlternationOptions,
  fewest: number,
  most: number,
  nanoseconds: number,
): Promise<[number, number][]> {
  const pairs: [number, number][] = [];
  let spent = 0;
  while (pairs.length < fewest || (pairs.length < most && spent < nanoseconds)) {
    const a = await first.turn();
    await pause(pauseMilliseconds);
    const b = await second.turn();
    await pause(pauseMilliseconds);
    pairs.push([a, b]);
    spent += a + b;
  }
  return pairs;
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function ascending(samples: readonly number[]): number[] {
  return samples.toSorted((a, b) => a - b);
}
