import { describe, expect, test } from '@jest/globals';
import {
  completeOptimizerSettings,
  type OptimizerName,
  type OptimizerSettings,
  optimizerNames,
  settingsWithAdapters,
} from '../../lib/run/optimizer-choice.ts';
import {
  chooseAlgorithm,
  defaultEpochs,
  defaultLearningRate,
  methodOfRun,
  takesTurns,
} from '../../lib/run/run-defaults.ts';
import type { Method } from '../../lib/unlearn/index.ts';
import { algorithm, algorithms } from '../../lib/unlearn/registry.ts';

describe("a run's learning rate", () => {
  test("is near what is published at 7 billion weights, and grows with the inverse of a model's width", () => {
    const { graddiff, po } = { graddiff: algorithm('graddiff'), po: algorithm('po') };
    // SOUL's configurations for Llama 2 7B, first order: 5e-6 for GradDiff, 2e-5 for PO.
    expect([graddiff, po].map((one) => defaultLearningRate('adamw', one, 7e9))).toEqual([6e-6, 2e-5]);
    expect(defaultLearningRate('adamw', graddiff, 7e7)).toBe(6e-5);
    // The demo's model of 811,904 weights: 6e-6 * sqrt(8622) = 5.6e-4.
    expect(defaultLearningRate('adamw', graddiff, 811_904)).toBe(5.6e-4);
  });

  test("follows from others' where a method names none: sign descent's of the optimizer that clips nearly everywhere, SGD's of a step's length", () => {
    const rates = { learningRates: { adamw: 6e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 } };
    expect(defaultLearningRate('sign', rates, 7e7)).toBe(defaultLearningRate('soul-repo', rates, 7e7));
    // (1 - 0.9) * 6e-6 * sqrt(7e9) = 0.0502, whatever the size; the same step without momentum takes ten times as much.
    for (const weights of [7e9, 8e5]) {
      expect(defaultLearningRate('sgd', rates, weights)).toBe(0.05);
      expect(defaultLearningRate('sgd', rates, weights, { momentum: 0 })).toBe(0.5);
    }
    const own = { learningRates: { ...rates.learningRates, sgd: 0.3, sign: 1e-6 } };
    expect(defaultLearningRate('sgd', own, 7e7)).toBe(0.3);
    expect(defaultLearningRate('sign', own, 7e7)).toBe(1e-5);
  });

  test("is there for every optimizer and method that takes steps, and for a method of one's own", () => {
    for (const optimizer of Object.keys(optimizerNames) as (keyof typeof optimizerNames)[]) {
      for (const each of algorithms) {
        const rate = () => defaultLearningRate(optimizer, each, 1e9);
        const steps = !['ssd', 'influence'].includes(each.name);
        if (!steps) expect(rate).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
        else expect(rate()).toBeGreaterThan(0);
      }
      const own = chooseAlgorithm({ ...methodOfRun('npo'), name: 'toString' }).algorithm;
      expect(defaultLearningRate(optimizer, own, 1e9)).toBe(defaultLearningRate(optimizer, algorithm('graddiff'), 1e9));
    }
  });
});

test("a run's epochs make at least 40 steps of unlearning", () => {
  expect([1, 3, 4, 50].map((steps) => defaultEpochs(algorithm('npo'), steps))).toEqual([40, 14, 10, 10]);
  expect(defaultEpochs(algorithm('finetune'), 1)).toBe(5);
});

test('the retain term of a run counts 5 times, unless it is told otherwise', () => {
  const coefficients = ({ terms }: Method) => terms.map(({ coefficient }) => coefficient);
  expect(methodOfRun('npo', { beta: 0.2 }).settings).toMatchObject({ retainCoefficient: 5, beta: 0.2 });
  expect(coefficients(methodOfRun('npo'))).toEqual([1, 5]);
  expect(coefficients(methodOfRun('graddiff', { retainCoefficient: 0 }))).toEqual([1, 0]);
  expect(coefficients(methodOfRun('ascent'))).toEqual([1]);
  expect(() => methodOfRun('ascent', { retainCoefficient: 1 } as object)).toThrow(
    /retainCoefficient is of no effect on ascent; it belongs to graddiff/,
  );
});

test('adapters take a multiple of the rate that their base would, whatever their own size, and more epochs', () => {
  const graddiff = algorithm('graddiff');
  const rate = (optimizer: OptimizerName, weights: number) =>
    defaultLearningRate(optimizer, graddiff, weights, {}, true);
  expect([rate('adamw', 7e9), rate('adamw', 7e7)]).toEqual([4.8e-5, 4.8e-4]);
  for (const optimizer of ['adamw', 'sophia', 'soul-repo', 'sign', 'sgd'] as const) {
    expect(rate(optimizer, 1e9)).toBeGreaterThan(defaultLearningRate(optimizer, graddiff, 1e9));
  }
  expect([defaultEpochs(graddiff, 5, true), defaultEpochs(graddiff, 1, true)]).toEqual([30, 120]);
  expect(defaultEpochs(algorithm('finetune'), 5, true)).toBe(5);
  const inTurns = [1, 2, 4, 50].map((steps) => defaultEpochs(algorithm('eul'), steps, true, true));
  expect(inTurns).toEqual([40, 30, 30, 30]);
  expect(defaultEpochs(algorithm('eul'), 2, false, true)).toBe(20);
  const turns = (...given: Parameters<typeof chooseAlgorithm>) => takesTurns(chooseAlgorithm(...given));
  expect([turns('eul'), turns('average', { method: 'eul' })]).toEqual([true, true]);
  expect([turns('npo'), turns('eul', { alternation: 'together' }), turns('average')]).toEqual([false, false, false]);
});

test('Sophia on adapters follows its clipped fraction, unless something else is said', () => {
  const complete = (given: OptimizerSettings) =>
    settingsWithAdapters('sophia', completeOptimizerSettings('sophia', given), given);
  expect(complete({})).toMatchObject({ clippedFraction: 0.3, followClippedFraction: true });
  expect(complete({ clippedFraction: 0.1 })).toMatchObject({ clippedFraction: 0.1, followClippedFraction: true });
  expect(complete({ followClippedFraction: false })).toMatchObject({ followClippedFraction: false });
  expect(complete({ rho: 0.04 })).not.toHaveProperty('clippedFraction');
});
