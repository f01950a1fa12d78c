import { describe, expect, test } from '@jest/globals';
import { constant, cosine, linear, type Schedule } from '../../lib/index.ts';
import { codeOf } from './set-up.ts';

// What transformers' get_*_schedule_with_warmup give for 3 warm-up steps of 10.
test.each<[string, Schedule, number[]]>([
  ['constant', constant({ warmupSteps: 3 }), [0, 0.333333, 0.666667, 1, 1, 1, 1, 1, 1, 1, 1]],
  [
    'linear',
    linear({ warmupSteps: 3, steps: 10 }),
    [0, 0.333333, 0.666667, 1, 0.857143, 0.714286, 0.571429, 0.428571, 0.285714, 0.142857, 0],
  ],
  [
    'cosine',
    cosine({ warmupSteps: 3, steps: 10 }),
    [0, 0.333333, 0.666667, 1, 0.950484, 0.811745, 0.61126, 0.38874, 0.188255, 0.049516, 0],
  ],
  ['linear without warm-up', linear({ steps: 10 }), [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0]],
  ['linear, all of it warm-up', linear({ warmupSteps: 5, steps: 5 }), [0, 0.2, 0.4, 0.6, 0.8, 0, 0]],
])('%s', (_, schedule, expected) => {
  for (const [step, factor] of expected.entries()) expect(schedule(step)).toBeCloseTo(factor, 5);
});

describe('beyond the last step', () => {
  test('linear and cosine stay at 0', () => {
    for (const schedule of [linear({ steps: 10 }), cosine({ warmupSteps: 2, steps: 10 })]) {
      for (const step of [10, 11, 15, 1000]) expect(schedule(step)).toBeCloseTo(0, 12);
    }
  });
});

test('bad steps are refused', async () => {
  const wrong = (value: unknown) => value as never;
  for (const make of [
    () => linear({ steps: -1 }),
    () => linear({ steps: 1.5 }),
    () => linear(wrong({})),
    () => cosine({ steps: 10, warmupSteps: Number.NaN }),
    () => cosine(wrong({ steps: 10, warmup: 3 })),
    () => constant()(Number.NaN),
    () => constant()(-1),
  ]) {
    expect(await codeOf(make)).toBe('SOUL_INVALID_ARGUMENT');
  }
});
