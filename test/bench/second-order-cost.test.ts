import { expect, test } from '@jest/globals';
import { costOf, type StepCost } from '../../bench/second-order-cost.ts';

const estimate = (seconds: number, riding = true) => ({ riding, seconds, sequences: 8 });

test('the cost of second order is added up from its phases', () => {
  const steps: StepCost[] = [
    { first: 2, second: 10, estimate: estimate(7, false) },
    ...Array.from({ length: 4 }, () => ({ first: 2, second: 2.5 })),
    { first: 2, second: 4, estimate: estimate(1) },
    ...Array.from({ length: 4 }, () => ({ first: 4, second: 4.5 })),
    { first: 2, second: 4, estimate: estimate(1) },
  ];
  expect(costOf(steps, 5, 20)).toEqual({
    ...{ firstOrderStep: 2, plainExtra: 0.5, primingExtra: 8, estimateExtra: 2, estimateSeconds: 1, riding: true },
    measured: (10 + 4 * 2.5 + 4 + 4 * 4.5 + 4) / (7 * 2 + 4 * 4),
    stepsOfRun: 20,
    // Steps 1, 6, 11 and 16 estimate, the first to prime; 16 others.
    ofRun: 1 + (8 + 3 * 2 + 16 * 0.5) / (20 * 2),
  });
});

test('an estimate that did not ride is told', () => {
  const plain = { first: 1, second: 1 };
  const all = [{ ...plain, estimate: estimate(1, false) }, plain, { ...plain, estimate: estimate(1, false) }];
  expect(costOf(all, 2, 3).riding).toBe(false);
});
