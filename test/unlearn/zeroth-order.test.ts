import { describe, expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { algorithm, settingsFor } from '../../lib/unlearn/registry.ts';
import { targetSet } from '../../lib/unlearn/source.ts';
import { checkDifferences } from '../../lib/unlearn/zeroth-order/differences.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { NarrowModel } from './narrow-model.ts';
import { WatchedModel } from './watched-model.ts';
import { count, distance, labOf, retain, run, size, squared, stepsOf, target } from './zeroth-order-lab.ts';

const estimators = {
  mezo: { mu: 0.05, directions: 2 },
  deepzero: { mu: 0.05, coordinates: 6, difference: 'central' },
  'fo-zo': { mu: 0.05, every: 1 },
} as const;
const names = Object.keys(estimators) as (keyof typeof estimators)[];

describe.each(names)('%s', (name) => {
  const settings = estimators[name];

  test('gives the weights back to the bit after every term', async () => {
    const model = BigramLM.random(size, 2n);
    const before = model.values.slice();
    const { lab, optimizer } = labOf(model, { steps: 3, learningRate: 0 });
    await run(name, lab, { method: 'graddiff', ...settings });
    for (const { values } of optimizer.met) expect(values).toEqual(before);
    expect(optimizer.met.every(({ gradients }) => gradients.some((x) => x !== 0))).toBe(true);
    await lab.release();
  });

  test.each([1, 3, 4, 7])('gives them back when it is cancelled, or fails, in call %d', async (call) => {
    for (const end of ['cancel', 'throw']) {
      const model = new WatchedModel(BigramLM.random(size, 2n));
      const before = model.inner.values.slice();
      const controller = new AbortController();
      model.during = (at) => {
        if (at !== call) return;
        if (end === 'throw') throw new Error('no memory');
        controller.abort();
      };
      const { lab } = labOf(model, { steps: 4, microBatchSize: 2, learningRate: 0 }, { signal: controller.signal });
      await expect(run(name, lab, { method: 'graddiff', ...settings })).rejects.toThrow(
        end === 'throw' ? 'no memory' : 'cancelled',
      );
      expect(model.inner.values).toEqual(before);
      expect(model.inner.gradients.every((x) => x === 0)).toBe(true);
      await lab.release();
    }
  });

  test('never moves what is frozen, or padding', async () => {
    const model = new WatchedModel(BigramLM.random(size, 2n));
    const { values } = model.inner;
    const before = values.slice();
    const frozen = maskOfRanges(values.length, [{ start: 3, length: 9 }]);
    const isFixed = (i: number) => (i >= 3 && i < 12) || i >= count;
    const fixed = before.filter((_, i) => isFixed(i));
    let moved = 0;
    model.during = () => {
      expect(values.filter((_, i) => isFixed(i))).toEqual(fixed);
      if (values.some((x, i) => x !== before[i])) moved += 1;
    };
    const { lab, optimizer } = labOf(model, { steps: 4 });
    optimizer.frozen = frozen;
    await run(name, lab, { method: 'graddiff', ...settings });
    expect(moved).toBeGreaterThan(0);
    for (const { gradients } of optimizer.met) expect(gradients.every((x, i) => !isFixed(i) || x === 0)).toBe(true);
    expect(values.filter((_, i) => isFixed(i))).toEqual(fixed);
    await lab.release();
  });

  test.each(['graddiff', 'npo', 'ngdiff'])('is the same for any size of the parts of a batch: %s', async (method) => {
    const met = [];
    for (const microBatchSize of [3, 2, 1]) {
      const { lab, optimizer } = labOf(BigramLM.random(size, 2n), { steps: 2, microBatchSize, learningRate: 0.01 });
      await run(name, lab, { method, ...settings });
      met.push(optimizer.met.map(({ gradients }) => gradients));
      await lab.release();
    }
    for (const other of met.slice(1)) {
      for (const [step, gradients] of other.entries()) {
        const whole = met[0]![step]!;
        expect(Math.sqrt(distance(gradients, whole) / squared(whole))).toBeLessThan(1e-3);
      }
    }
  });

  test('tells a loss that is not finite as a descent does', async () => {
    const model = BigramLM.random(size, 2n);
    const { lab } = labOf({
      parameters: model.parameters,
      vocabularySize: size,
      nll: (batch) => model.nll(batch),
      klTo: (reference, batch) => model.klTo(reference, batch),
      accumulate: async (batch) => new Float32Array(batch.labelCount).fill(Number.NaN),
      score: async (batch) => {
        const scores = await model.score(batch);
        return { ...scores, logProbability: scores.logProbability.fill(Number.NaN) };
      },
    });
    const before = model.values.slice();
    await expect(run(name, lab, { method: 'graddiff', ...settings })).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: expect.stringMatching(/^the forget loss of graddiff is NaN before the first step/),
    });
    expect(model.values).toEqual(before);
    expect(model.gradients.every((x) => x === 0)).toBe(true);
  });

  test('of bf16 weights moves the float32 master, and refuses to do without one', async () => {
    const start = BigramLM.random(size, 2n);
    const model = await NarrowModel.of(start);
    const before = model.parameters.values.array.slice();
    const adamw = new AdamW(model.parameters, { learningRate: 0 });
    const { lab } = labOf(model, { steps: 2 }, { optimizer: () => adamw });
    const events = stepsOf(await run(name, lab, { method: 'ascent', ...settings }));
    expect(events).toHaveLength(2);
    expect(model.parameters.values.array).toEqual(before);

    const bare = await NarrowModel.of(start);
    const own = labOf(bare, { steps: 2, learningRate: 0 });
    await expect(run(name, own.lab, { method: 'ascent', ...settings })).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringContaining('float32 master'),
    });
    expect(bare.parameters.values.array).toEqual(before);
  });

  test('needs what its method needs', () => {
    const own = algorithm(name);
    const needs = (method: string) => own.needs(settingsFor(own, { method }) as never);
    expect(needs('graddiff')).toEqual(['retain']);
    expect(needs('ascent')).toEqual([]);
  });

  test('refuses a method whose target would move with the weights, before a run and in it', async () => {
    const own = algorithm(name);
    const check = (method: string) => () => own.checkSets!({ target, retain }, settingsFor(own, { method }) as never);
    const refusal = {
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/^the forget term of ceu takes the model's own distribution as constant/),
    };
    expect(check('ceu')).toThrow(expect.objectContaining(refusal));
    expect(check('npo')).not.toThrow();

    const model = new WatchedModel(BigramLM.random(size, 2n));
    const before = model.inner.values.slice();
    const { lab } = labOf(model);
    await expect(run(name, lab, { method: 'ceu' })).rejects.toMatchObject(refusal);
    expect(model.calls).toEqual([]);
    expect(model.inner.values).toEqual(before);
    await lab.release();
  });
});

test('a target that is the model itself, taken as constant, is refused by name', () => {
  const term = { name: 'forget', source: targetSet, objective: crossEntropy };
  const method = (from: 'self' | 'start') => ({
    name: 'shifted',
    terms: [{ ...term, quantity: { kind: 'target', from, shift: -1 } as const }],
  });
  expect(() => checkDifferences(method('self'))).toThrow(
    /^the forget term of shifted takes the model's own distribution/,
  );
  checkDifferences(method('start'));
});

test('fo-zo takes steps of one kind, then of the other', async () => {
  const model = new WatchedModel(BigramLM.random(size, 2n));
  const kinds: string[][] = [];
  const { lab } = labOf(model, { steps: 7, learningRate: 0 });
  for await (const event of algorithm('fo-zo').run(
    lab,
    settingsFor(algorithm('fo-zo'), { method: 'graddiff', every: 2 }) as never,
  )) {
    if (event.kind === 'step') kinds.push([...new Set(model.calls.splice(0))]);
  }
  expect(kinds.map((each) => each.join())).toEqual([
    'accumulate',
    'accumulate',
    'score',
    'score',
    'accumulate',
    'accumulate',
    'score',
  ]);
});
