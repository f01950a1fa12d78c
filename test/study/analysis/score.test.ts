import { describe, expect, test } from '@jest/globals';
import { crossingOf } from '../../../lib/study/analysis/equal-forgetting.ts';
import { scoreOf } from '../../../lib/study/analysis/score.ts';
import type { PathPoint } from '../../../lib/study/trial/record.ts';

const scale = { start: { forget: 0.9, retain: 0.8 }, retrainedForget: 0.1 };

describe('the score of a point', () => {
  test('is the harmonic mean of what is forgotten and what is kept', () => {
    const { forgotten, kept, score } = scoreOf({ forget: 0.5, retain: 0.6 }, scale);
    expect(forgotten).toBeCloseTo(0.5, 15);
    expect(kept).toBeCloseTo(0.75, 15);
    expect(score).toBeCloseTo((2 * 0.5 * 0.75) / (0.5 + 0.75), 15);
  });

  test('is 1 where as much is forgotten as the retrained model never knew, and all is kept; more of either changes nothing', () => {
    expect(scoreOf({ forget: 0.1, retain: 0.8 }, scale).score).toBe(1);
    expect(scoreOf({ forget: 0, retain: 0.99 }, scale)).toEqual({ forgotten: 1, kept: 1, score: 1 });
  });

  test('is 0 where nothing is forgotten, or nothing kept', () => {
    expect(scoreOf({ forget: 0.9, retain: 0.8 }, scale).score).toBe(0);
    expect(scoreOf({ forget: 0.95, retain: 0.8 }, scale).score).toBe(0);
    expect(scoreOf({ forget: 0, retain: 0 }, scale).score).toBe(0);
  });

  test('without a retrained model forgets down to 0', () => {
    expect(scoreOf({ forget: 0.45, retain: 0.8 }, { ...scale, retrainedForget: 0 }).forgotten).toBeCloseTo(0.5, 15);
  });

  test('has nothing to forget where the start knows no more than the retrained model, and nothing to lose where it knows nothing', () => {
    const ignorant = { start: { forget: 0.1, retain: 0 }, retrainedForget: 0.2 };
    expect(scoreOf({ forget: 0.1, retain: 0 }, ignorant)).toEqual({ forgotten: 1, kept: 1, score: 1 });
    expect(scoreOf({ forget: 0.3, retain: 0 }, ignorant).score).toBe(0);
    const same = { start: { forget: 0.1, retain: 0.5 }, retrainedForget: 0.1 };
    expect(scoreOf({ forget: 0.1, retain: 0.5 }, same)).toEqual({ forgotten: 1, kept: 1, score: 1 });
    expect(scoreOf({ forget: 0.2, retain: 0.5 }, same).score).toBe(0);
  });
});

describe('equal forgetting', () => {
  const at = (step: number, forget: number, retain: number, test = { forget, retain }): PathPoint => ({
    ...{ step, epoch: step / 10, validation: { forget, retain }, test },
  });

  test('is between two points by linear interpolation, and the test half is read at the same step', () => {
    const path = [
      at(0, 0.9, 0.8),
      at(10, 0.5, 0.6, { forget: 0.7, retain: 0.4 }),
      at(20, 0.1, 0.2, { forget: 0.3, retain: 0.2 }),
    ];
    const crossing = crossingOf(path, 0.2)!;
    expect(crossing.step).toBeCloseTo(17.5, 12);
    expect(crossing.validation.forget).toBeCloseTo(0.2, 12);
    expect(crossing.validation.retain).toBeCloseTo(0.3, 12);
    expect(crossing.test.forget).toBeCloseTo(0.4, 12);
    expect(crossing.test.retain).toBeCloseTo(0.25, 12);
  });

  test('is the first of several crossings, a point of the path where that lies on the level, or the start', () => {
    const path = [at(0, 0.9, 0.8), at(10, 0.1, 0.5), at(20, 0.6, 0.7), at(30, 0.1, 0.6)];
    expect(crossingOf(path, 0.5)!.step).toBeCloseTo(5, 12);
    expect(crossingOf(path, 0.1)).toMatchObject({ step: 10, test: { retain: 0.5 } });
    expect(crossingOf(path, 0.95)).toEqual({ step: 0, validation: path[0]!.validation, test: path[0]!.test });
  });

  test('is nowhere where the path stays above', () => {
    expect(crossingOf([at(0, 0.9, 0.8), at(10, 0.2, 0.5)], 0.1)).toBeUndefined();
    expect(crossingOf([at(0, 0.9, 0.8)], 0.1)).toBeUndefined();
  });
});
