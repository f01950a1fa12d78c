import { describe, expect, test } from '@jest/globals';
import { optimizerNames } from '../../lib/run/optimizer-choice.ts';
import { defaultEpochs, defaultLearningRate, methodOfRun } from '../../lib/run/run-defaults.ts';
import { type MethodName, method, methodNames } from '../../lib/unlearn/methods.ts';

describe("a run's learning rate", () => {
  test("is near what is published at 7 billion weights, and grows with the inverse of a model's width", () => {
    const { graddiff, po } = { graddiff: method('graddiff'), po: method('po') };
    // SOUL's configurations for Llama 2 7B, first order: 5e-6 for GradDiff, 2e-5 for PO.
    expect([graddiff, po].map((one) => defaultLearningRate('adamw', one, 7e9))).toEqual([5e-6, 2e-5]);
    expect(defaultLearningRate('adamw', graddiff, 7e7)).toBe(5e-5);
    // The demo's model of 811,904 weights: 5e-6 * sqrt(8622) = 4.6e-4.
    expect(defaultLearningRate('adamw', graddiff, 811_904)).toBe(4.6e-4);
  });

  test("is there for every optimizer and method, and for a method of one's own", () => {
    for (const optimizer of Object.keys(optimizerNames) as (keyof typeof optimizerNames)[]) {
      for (const name of Object.keys(methodNames) as MethodName[]) {
        expect(defaultLearningRate(optimizer, method(name), 1e9)).toBeGreaterThan(0);
      }
      const own = { ...method('npo'), name: 'toString' };
      expect(defaultLearningRate(optimizer, own, 1e9)).toBe(defaultLearningRate(optimizer, method('graddiff'), 1e9));
    }
  });
});

test("a run's epochs make at least 40 steps of unlearning", () => {
  expect([1, 3, 4, 50].map((steps) => defaultEpochs(method('npo'), steps))).toEqual([40, 14, 10, 10]);
  expect(defaultEpochs(method('finetune'), 1)).toBe(5);
});

test('the retain term of a run counts 5 times, unless it is told otherwise', () => {
  expect(methodOfRun('npo', { beta: 0.2 })).toMatchObject({ retain: { coefficient: 5 }, options: { beta: 0.2 } });
  expect(methodOfRun('graddiff', { retainCoefficient: 0 }).retain!.coefficient).toBe(0);
  expect(methodOfRun('ascent').retain).toBeUndefined();
  expect(() => methodOfRun('ascent', { retainCoefficient: 1 })).toThrow(/of no effect on ascent/);
});
