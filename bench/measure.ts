/**
 * Times of contestants taken in turn, and what can be said of them.
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

export interface TurnOptions {
  /** Time that the timed parts of all turns together may take, beyond the fewest rounds. */
  seconds: number;
  /** Rounds, of one turn each, that are taken whatever they cost. Default 5. */
  fewestRounds?: number;
  /** Default 2000. */
  mostRounds?: number;
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
const fewestWarmUpRounds = 2;

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
export async function alternate(first: Contestant, second: Contestant, options: TurnOptions): Promise<Alternation> {
  const [a, b] = (await inTurn([first, second], options)) as [number[], number[]];
  return { first: spreadOf(a), second: spreadOf(b), ratio: spreadOfRatios(a, b) };
}

/** Gives any number of contestants their turns (A B C A B C ...): the times of each, as many as there were rounds. */
export async function inTurn(contestants: readonly Contestant[], options: TurnOptions): Promise<number[][]> {
  const { seconds, fewestRounds = 5, mostRounds = 2000 } = options;
  const nanoseconds = seconds * 1e9;
  await takeRounds(contestants, options, fewestWarmUpRounds, mostRounds, nanoseconds * warmUpShare);
  const rounds = await takeRounds(contestants, options, fewestRounds, mostRounds, nanoseconds);
  return contestants.map((_, index) => rounds.map((round) => round[index]!));
}

/** Of one contestant's times to another's, round by round. */
export function spreadOfRatios(times: readonly number[], others: readonly number[]): Spread {
  return spreadOf(times.map((time, round) => time / others[round]!));
}

async function takeRounds(
  contestants: readonly Contestant[],
  { pauseMilliseconds = 0 }: TurnOptions,
  fewest: number,
  most: number,
  nanoseconds: number,
): Promise<number[][]> {
  const rounds: number[][] = [];
  let spent = 0;
  while (rounds.length < fewest || (rounds.length < most && spent < nanoseconds)) {
    const times: number[] = [];
    for (const contestant of contestants) {
      const time = await contestant.turn();
      times.push(time);
      spent += time;
      await pause(pauseMilliseconds);
    }
    rounds.push(times);
  }
  return rounds;
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function ascending(samples: readonly number[]): number[] {
  return samples.toSorted((a, b) => a - b);
}
