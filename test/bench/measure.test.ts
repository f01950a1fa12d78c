import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { alternate, type Contestant, inTurn, median, quantileOfSorted, spreadOf } from '../../bench/measure.ts';

describe('spreads', () => {
  test('quartiles interpolate as numpy does', () => {
    // numpy.quantile([7, 1, 4, 10], [0, .25, .5, .75])
    expect(spreadOf([7, 1, 4, 10])).toEqual({
      count: 4,
      minimum: 1,
      lowerQuartile: 3.25,
      median: 5.5,
      upperQuartile: 7.75,
    });
  });

  test('one sample is every quantile; none has none', () => {
    expect(spreadOf([3])).toEqual({ count: 1, minimum: 3, lowerQuartile: 3, median: 3, upperQuartile: 3 });
    expect(spreadOf([]).median).toBeNaN();
  });

  test('samples stay in their order', () => {
    const samples = [3, 1, 2];
    expect(median(samples)).toBe(2);
    expect(samples).toEqual([3, 1, 2]);
  });

  test('quantiles lie between the ends and rise with the share', () => {
    const numbers = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(numbers, share, share, (samples, a, b) => {
        const sorted = samples.toSorted((x, y) => x - y);
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((at) => quantileOfSorted(sorted, at)) as [
          number,
          number,
        ];
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(sorted[0]!);
        expect(high).toBeLessThanOrEqual(sorted.at(-1)!);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('alternate', () => {
  /** Takes the times in a cycle, and writes its name down at each turn. */
  function scripted(name: string, times: readonly number[], turns: string[]): Contestant {
    let next = 0;
    return {
      async turn() {
        turns.push(name);
        return times[next++ % times.length]!;
      },
    };
  }

  test('the two take turns, warm-up included', async () => {
    const turns: string[] = [];
    await alternate(scripted('a', [1], turns), scripted('b', [1], turns), { seconds: 0, fewestRounds: 3 });
    expect(turns.join('')).toBe('ab'.repeat(2 + 3));
  });

  test('so do any number, each with its own times', async () => {
    const turns: string[] = [];
    const three = [scripted('a', [1], turns), scripted('b', [2], turns), scripted('c', [3], turns)];
    expect(await inTurn(three, { seconds: 0, fewestRounds: 2 })).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(turns.join('')).toBe('abc'.repeat(2 + 2));
  });

  test('ratios are of pairs, so what slows both leaves them as they are', async () => {
    const { first, second, ratio } = await alternate(
      scripted('a', [1e6, 1e6, 8e6, 2e6, 4e6], []),
      scripted('b', [2e6, 2e6, 16e6, 4e6, 8e6], []),
      { seconds: 0, fewestRounds: 5 },
    );
    expect(ratio).toEqual({ count: 5, minimum: 0.5, lowerQuartile: 0.5, median: 0.5, upperQuartile: 0.5 });
    expect(first.minimum).toBe(1e6);
    expect(second.minimum).toBe(2e6);
  });

  test('it goes on until the time is used up, or the most pairs are taken', async () => {
    const quick = { seconds: 1, fewestRounds: 1 };
    const until = await alternate(scripted('a', [5e7], []), scripted('b', [5e7], []), quick);
    expect(until.ratio.count).toBe(10);
    const capped = await alternate(scripted('a', [5e7], []), scripted('b', [5e7], []), { ...quick, mostRounds: 4 });
    expect(capped.ratio.count).toBe(4);
  });
});
