import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  answerProbability,
  areaUnderCurve,
  exactMemorization,
  extractionStrength,
  forgetQuality,
  harmonicMean,
  logTruthRatio,
  membershipAuc,
  minKPlusPlusScore,
  minKScore,
  modelUtility,
  nearnessToOne,
  perplexity,
  preferenceForTruth,
  privleak,
  probabilityAgainstWrong,
  referenceScore,
  zlibScore,
} from '../../lib/eval/index.ts';

const recorded: { texts: { text: string; bytes: number }[] } = JSON.parse(
  readFileSync(new URL('./fixtures/metrics.json', import.meta.url), 'utf8'),
);

const relative = (found: number, expected: number): number => Math.abs(found / expected - 1);

const invalid = expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' });

describe('probabilities of answers', () => {
  it('go from a certain answer to an impossible one', () => {
    expect([0, Math.log(4), Infinity].map(answerProbability)).toEqual([1, 0.25, 0]);
    expect(() => answerProbability(-0.5)).toThrow(invalid);
    expect(() => answerProbability(Number.NaN)).toThrow(invalid);
  });

  it('are shares among right and wrong ones', () => {
    // 0.5 against 0.25 and 0.25; a wrong one that cannot be; none that can.
    expect(probabilityAgainstWrong(Math.LN2, [Math.log(4), Math.log(4)])).toBeCloseTo(0.5, 15);
    expect(probabilityAgainstWrong(Math.LN2, [Infinity])).toBe(1);
    expect(probabilityAgainstWrong(Infinity, [1])).toBe(0);
    expect(probabilityAgainstWrong(Infinity, [Infinity])).toBeNaN();
    expect(probabilityAgainstWrong(Infinity, [Infinity], 1e-10)).toBe(0);
    // exp(-2000) is 0 in a double: their shares are those of 0 and log 3 all the same.
    expect(probabilityAgainstWrong(2000, [2000 + Math.log(3)])).toBeCloseTo(0.75, 12);
    expect(probabilityAgainstWrong(0, [0], 0.5)).toBeCloseTo(1 / 2.5, 15);
    expect(() => probabilityAgainstWrong(1, [])).toThrow(invalid);
  });

  it('make a perplexity by tokens, not by answers', () => {
    // 1 token of probability 1/8, 2 of 1: the geometric mean is 1/2.
    expect(
      perplexity([
        { meanLoss: Math.log(8), tokens: 1 },
        { meanLoss: 0, tokens: 2 },
      ]),
    ).toBeCloseTo(2, 14);
    expect(
      perplexity([
        { meanLoss: Infinity, tokens: 1 },
        { meanLoss: 0, tokens: 2 },
      ]),
    ).toBe(Infinity);
    expect(() => perplexity([])).toThrow(invalid);
  });
});

describe('the truth ratio', () => {
  it('is wrong over right by either mean', () => {
    // Wrong answers of 1/2 and 1/8, a right one of 1/4.
    const losses = [Math.LN2, Math.log(8)];
    expect(logTruthRatio(Math.log(4), losses)).toBeCloseTo(0, 14);
    expect(Math.exp(logTruthRatio(Math.log(4), losses, { mean: 'arithmetic' }))).toBeCloseTo(1.25, 14);
    expect(Math.exp(logTruthRatio(Math.log(4), losses, { epsilon: 0.25 }))).toBeCloseTo(0.5, 14);
  });

  it('keeps its digits where probabilities are 0 in a double', () => {
    expect(logTruthRatio(2000, [1990, 1990], { mean: 'arithmetic' })).toBeCloseTo(10, 10);
    expect(logTruthRatio(2000, [1990])).toBe(10);
  });

  it('of what has no probability', () => {
    expect(logTruthRatio(Infinity, [1])).toBe(Infinity);
    expect(logTruthRatio(1, [Infinity, Infinity], { mean: 'arithmetic' })).toBe(-Infinity);
    expect(logTruthRatio(1, [1, Infinity])).toBe(-Infinity);
    expect(logTruthRatio(1, [1, Infinity], { mean: 'arithmetic' })).toBeCloseTo(-Math.LN2, 14);
    expect(logTruthRatio(Infinity, [Infinity])).toBeNaN();
    expect(logTruthRatio(Infinity, [Infinity], { epsilon: 1e-10 })).toBe(-Infinity);
  });

  it('is scored by its nearness to 1, or by how much truth wins', () => {
    expect([-Infinity, Math.log(0.5), 0, Math.log(4), Infinity].map((ratio) => nearnessToOne(ratio))).toEqual([
      0,
      expect.closeTo(0.5, 14),
      1,
      expect.closeTo(0.25, 14),
      0,
    ]);
    expect(nearnessToOne(Math.log(4), 1)).toBeCloseTo(1 / 5, 14);
    expect([-Infinity, Math.log(0.25), 0, 1, Infinity].map(preferenceForTruth)).toEqual([
      1,
      expect.closeTo(0.75, 14),
      0,
      0,
      0,
    ]);
  });
});

describe('plain numbers', () => {
  it('may stand in typed arrays', () => {
    const losses = Float64Array.of(1, 2, 4);
    expect(logTruthRatio(1, losses, { mean: 'arithmetic' })).toBe(logTruthRatio(1, [1, 2, 4], { mean: 'arithmetic' }));
    expect(probabilityAgainstWrong(1, losses)).toBe(probabilityAgainstWrong(1, [1, 2, 4]));
    expect(harmonicMean(Float32Array.of(2, 6))).toBe(3);
    expect(modelUtility(new Float64Array(9).fill(0.5))).toBe(0.5);
  });

  it.each<[string, () => unknown]>([
    ['logRatios', () => forgetQuality([], [1])],
    ['reference', () => forgetQuality([1], [])],
    ['mean', () => logTruthRatio(1, [2], { mean: 'aritmetic' as never })],
    ['epsilon', () => logTruthRatio(1, [2], { epsilon: Number.NaN })],
    ['mode', () => logTruthRatio(1, [2], { mode: 'arithmetic' } as never)],
    ['atLeast', () => extractionStrength([0, 1], { atLeast: true } as never)],
    ['answers', () => perplexity(undefined as never)],
    ['answers[1].tokens', () => perplexity([1, -1].map((tokens) => ({ meanLoss: 1, tokens })))],
    ['isArgmax', () => exactMemorization(new DataView(new ArrayBuffer(4)) as never)],
    ['wrongLosses[1]', () => logTruthRatio(1, Float64Array.of(1, -1))],
  ])('that are none are refused with the name %s', (argument, call) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', details: expect.objectContaining({ argument }) }),
    );
  });
});

describe('model utility', () => {
  it('is the harmonic mean of nine, 0 with one that is', () => {
    expect(modelUtility([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25])).toBeCloseTo(9 / 21, 15);
    expect(modelUtility([1, 1, 1, 1, 0, 1, 1, 1, 1])).toBe(0);
    expect(() => modelUtility([1, 1])).toThrow(invalid);
    expect(harmonicMean([2, 6])).toBe(3);
    for (const values of [[], [1, -1], [Number.NaN]]) expect(() => harmonicMean(values)).toThrow(invalid);
  });
});

describe('membership inference', () => {
  it('has the area of all pairs, ties at one half', () => {
    const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Infinity, -Infinity));
    const scores = fc.array(score, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(scores, scores, (high, low) => {
        let sum = 0;
        for (const a of high) for (const b of low) sum += a > b ? 1 : a === b ? 0.5 : 0;
        expect(areaUnderCurve(high, low)).toBeCloseTo(sum / (high.length * low.length), 12);
        expect(membershipAuc(low, high)).toBe(areaUnderCurve(high, low));
      }),
    );
  });

  it('is 1 where all members are likelier, 0.5 where scores say nothing', () => {
    expect(membershipAuc([0.1, 0.2], [3, Infinity])).toBe(1);
    expect(membershipAuc([3, 4], [1])).toBe(0);
    expect(membershipAuc([2, 2, 2], [2, 2])).toBe(0.5);
    for (const values of [[], [Number.NaN]]) expect(() => membershipAuc(values, [1])).toThrow(invalid);
  });

  it('min-k is of the lowest share of tokens, and of one at least', () => {
    const logProbabilities = [-1, -5, -0.5, -3, 0];
    expect(minKScore(logProbabilities, 0.4)).toBe(4);
    expect(minKScore(logProbabilities, 0.59)).toBe(4);
    expect(minKScore(logProbabilities)).toBe(5);
    expect(minKScore(logProbabilities, 0)).toBe(5);
    expect(minKScore(logProbabilities, 1)).toBeCloseTo(1.9, 14);
    expect(minKScore([-2])).toBe(2);
    expect(minKScore([-Infinity, -1], 1)).toBe(Infinity);
    expect(logProbabilities).toEqual([-1, -5, -0.5, -3, 0]);
    expect(() => minKScore([])).toThrow(invalid);
    expect(() => minKScore([-1], 1.5)).toThrow(invalid);
  });

  it('min-k++ standardises first, and a variance of 0 does not divide', () => {
    const tokens = { logProbability: [-1, -5, -2], mean: [-2, -3, -2], variance: [4, 1, 0] };
    // 0.5, -2 and 0.
    expect(minKPlusPlusScore(tokens, 0.4)).toBe(2);
    expect(minKPlusPlusScore(tokens, 0.7)).toBe(1);
    expect(minKPlusPlusScore({ logProbability: [-1], mean: [0], variance: [0] })).toBeCloseTo(1000, 9);
    expect(() => minKPlusPlusScore({ ...tokens, mean: [1] })).toThrow(invalid);
  });

  it("zlib's bytes are those of Python but for one in fifty", () => {
    for (const { text, bytes } of recorded.texts) {
      expect(relative(1 / zlibScore(1, text), bytes)).toBeLessThan(0.02);
    }
    expect(zlibScore(3, 'Paris')).toBe(3 / 13);
    expect(zlibScore(Infinity, '')).toBe(Infinity);
  });

  it('by a reference is a difference of losses', () => {
    expect(referenceScore(1.5, 2)).toBe(-0.5);
    expect(referenceScore(Infinity, Infinity)).toBe(0);
    expect(referenceScore(1, Infinity)).toBe(-Infinity);
  });

  it('privleak is relative to a retrained model, or undefined', () => {
    expect(privleak(1, 0.5)).toBeCloseTo(-100, 6);
    expect(privleak(0, 0.5)).toBeCloseTo(100, 6);
    expect(privleak(0.4, 0.4)).toBe(0);
    expect(privleak(0.6, 0.2)).toBeCloseTo(-50, 6);
    expect(privleak(0.5, 1)).toBeNaN();
    expect(privleak(1, 1)).toBeNaN();
    expect(() => privleak(Number.NaN, 0.5)).toThrow(invalid);
  });
});

describe('memorization', () => {
  it.each([
    [[1, 1, 1, 1], 1, 1, 1],
    [[0, 1, 0, 1, 1], 0.6, 0.4, 0.4],
    [[1, 1, 1, 0], 0.75, 0, 0.25],
    [[0], 0, 0, 1],
    [[1], 1, 1, 1],
  ])('of %p', (flags, exact, strength, atLeastOne) => {
    expect(exactMemorization(Uint8Array.from(flags))).toBeCloseTo(exact, 15);
    expect(extractionStrength(flags)).toBeCloseTo(strength, 15);
    expect(extractionStrength(flags, { atLeastOneToken: true })).toBeCloseTo(atLeastOne, 15);
  });

  it('of no token', () => {
    expect(exactMemorization([])).toBeUndefined();
    expect(extractionStrength([])).toBe(0);
    expect(() => exactMemorization(3 as never)).toThrow(invalid);
  });
});
