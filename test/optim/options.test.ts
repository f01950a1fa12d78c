import { describe, expect, test } from '@jest/globals';
import {
  AdamW,
  FlatBuffer,
  type OptimizerParameters,
  SGD,
  SignDescent,
  Sophia,
  type SoulError,
} from '../../lib/index.ts';
import { codeOf, setUp } from './set-up.ts';

const wrong = (value: unknown) => value as never;

describe('parameters', () => {
  test('must not share memory', async () => {
    const values = FlatBuffer.alloc(10);
    const other = FlatBuffer.from(values.array);
    expect(await codeOf(() => new Sophia({ values, gradients: values }))).toBe('SOUL_ALIASED');
    expect(await codeOf(() => new AdamW({ values, gradients: other }))).toBe('SOUL_ALIASED');
    expect(await codeOf(() => new AdamW({ values: values.view(0, 6), gradients: values.view(5, 5).view(0, 5) }))).toBe(
      'SOUL_INVALID_ARGUMENT',
    );
    expect(await codeOf(() => new AdamW({ values: values.view(0, 6), gradients: values.view(4, 6) }))).toBe(
      'SOUL_ALIASED',
    );
    expect(await codeOf(() => new AdamW({ values: values.view(0, 5), gradients: values.view(5, 5) }))).toBe('no error');
  });

  test.each([
    ['nothing', undefined],
    ['arrays', { values: new Float32Array(3), gradients: new Float32Array(3) }],
    ['different lengths', { values: FlatBuffer.alloc(3), gradients: FlatBuffer.alloc(4) }],
    ['no gradients', { values: FlatBuffer.alloc(3) }],
    ['other names', { values: FlatBuffer.alloc(3), grads: FlatBuffer.alloc(3) }],
  ])('%s are refused', async (_, parameters) => {
    expect(await codeOf(() => new Sophia(wrong(parameters)))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(() => new AdamW(wrong(parameters)))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(() => new SGD(wrong(parameters)))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('that were released are refused, at once and later', async () => {
    const parameters = setUp();
    const sophia = new Sophia(parameters);
    await parameters.gradients.release();
    expect(await codeOf(() => new Sophia(parameters))).toBe('SOUL_RELEASED');
    expect(await codeOf(sophia.step())).toBe('SOUL_RELEASED');
    expect(await codeOf(sophia.updateHessian({ batchSize: 1 }))).toBe('SOUL_RELEASED');
  });
});

describe('options', () => {
  test.each([
    { learningRate: Number.NaN },
    { learningRate: -1 },
    { learningRate: Infinity },
    { learningRate: wrong('1') },
    { weightDecay: Number.NaN },
    { betas: [0.9, 1] as [number, number] },
    { betas: wrong([0.9]) },
    { betas: wrong(0.9) },
    { epsilon: Number.NaN },
    { epsilon: -1e-8 },
    { clipNorm: 0 },
    { clipNorm: Number.NaN },
    { maximize: wrong(1) },
    { nonFinite: wrong('ignore') },
    { parameterGroups: wrong({}) },
    ...['learningRate', 'weightDecay', 'betas', 'epsilon', 'clipNorm', 'maximize', 'nonFinite', 'parameterGroups'].map(
      (name) => ({ [name]: wrong(null) }),
    ),
    { parameterGroups: [{ start: 0, length: 3, weightDecay: wrong(null) }] },
    { parameterGroups: [{ start: 0, length: 3, embedding: wrong(null) }] },
    { parameterGroups: [{ start: 0, length: 38 }] },
    { parameterGroups: [{ start: -1, length: 3 }] },
    { parameterGroups: [{ start: 0.5, length: 3 }] },
    { parameterGroups: [{ start: 0, length: 3, weightDecay: Number.NaN }] },
    { parameterGroups: [{ start: 0, length: 3, learningRateScale: -1 }] },
    { parameterGroups: [wrong({ start: 0, length: 3, decay: 1 })] },
    {
      parameterGroups: [
        { start: 0, length: 10 },
        { start: 9, length: 10 },
      ],
    },
  ])('%j is refused by all', async (options) => {
    for (const Optimizer of [Sophia, AdamW, SGD, SignDescent]) {
      expect(await codeOf(() => new Optimizer(setUp(), options))).toBe('SOUL_INVALID_ARGUMENT');
    }
  });

  test.each([{ momentum: 1 }, { momentum: -0.1 }, { momentum: wrong('0.9') }, { momentum: wrong(null) }])(
    '%j is refused by those that have it',
    async (options) => {
      for (const Optimizer of [SGD, SignDescent]) {
        expect(await codeOf(() => new Optimizer(setUp(), options))).toBe('SOUL_INVALID_ARGUMENT');
      }
    },
  );

  test.each([
    { rho: 0 },
    { rho: Number.NaN },
    { rho: { clippedFraction: 0 } },
    { rho: { clippedFraction: 1 } },
    { rho: wrong({ fraction: 0.1 }) },
    { epsilon: 0 },
    { denominator: wrong('mean') },
    { momentumUpdates: wrong(3) },
    { estimator: wrong('gnb') },
    ...['rho', 'denominator', 'momentumBiasCorrection', 'momentumUpdates', 'estimator'].map((name) => ({
      [name]: wrong(null),
    })),
    { estimator: { squaredGradient: { batchSize: 0 } } },
  ])('%j is refused by Sophia', async (options) => {
    expect(await codeOf(() => new Sophia(setUp(), options))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test.each([
    ['learning_rate', 'learningRate'],
    ['learningrate', 'learningRate'],
    ['weightdecay', 'weightDecay'],
    ['beta', 'betas'],
    ['epsilom', 'epsilon'],
    ['denominater', 'denominator'],
  ])('a misspelled %s is answered with %s', (misspelled, known) => {
    const message = `options has no option ${misspelled}; did you mean ${known}?`;
    expect(() => new Sophia(setUp(), { [misspelled]: 1 })).toThrow(message);
  });

  test('undefined is the default, in the preset its own', () => {
    const names = { betas: undefined, epsilon: undefined, learningRate: undefined, rho: undefined };
    expect(new Sophia(setUp(), wrong(names)).betas).toEqual([0.965, 0.99]);
    const preset = Sophia.soulRepo(setUp(), wrong({ ...names, momentumUpdates: undefined }));
    expect(preset).toMatchObject({ betas: [0.9, 0.95], learningRate: 1e-5, estimator: 'gradient' });
  });

  test('a name like no other lists what there is', () => {
    try {
      new AdamW(setUp(), { [wrong('zzzzzz')]: 1 });
    } catch (error) {
      expect((error as SoulError).message).toContain('there are learningRate, weightDecay');
      expect((error as SoulError).details).toMatchObject({ argument: 'zzzzzz' });
    }
    expect.assertions(2);
  });
});

describe('what a step and an estimate are told', () => {
  test.each([
    { learningRate: Number.NaN },
    { weightDecay: -1 },
    { zeroGradients: wrong('yes') },
    { learningRate: null },
    { weightDecay: null },
    { zeroGradients: null },
    { hessian: null },
    { hessian: { batchSize: 1, prime: null } },
    { hessian: { batchSize: 1, from: null } },
    { lr: 1 },
    { hessian: {} },
    { hessian: { batchSize: 0 } },
    { hessian: { batchSize: Number.NaN } },
    { hessian: { batchSize: 1, from: FlatBuffer.alloc(3) } },
    { hessian: { batchSize: 1, from: new Float32Array(37) } },
  ])('%j is refused', async (options) => {
    const { values, gradients } = setUp();
    const sophia = new Sophia({ values, gradients });
    const before = values.array.slice();
    expect(await codeOf(sophia.step(wrong(options)))).toBe('SOUL_INVALID_ARGUMENT');
    expect(sophia.state.step).toBe(0);
    expect(values.array).toEqual(before);
  });

  test.each([
    undefined,
    {},
    { batchSize: -1 },
    { batchSize: 1, part: [2, 2] },
    { batchSize: 1, part: [0, 0] },
    { batchSize: 1, part: 1 },
    { batchSize: 1, part: null },
    { batchSize: 1, prime: null },
    { batchSize: 1, prime: 1 },
    { batchsize: 1 },
  ])('an estimate of %j is refused', async (options) => {
    expect(await codeOf(new Sophia(setUp()).updateHessian(wrong(options)))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('an estimate must not lie in memory that a step writes', async () => {
    const parameters = setUp() as OptimizerParameters;
    const sophia = new Sophia(parameters);
    for (const from of [parameters.values, sophia.state.momentum, sophia.state.hessian]) {
      expect(await codeOf(sophia.updateHessian({ from, batchSize: 1 }))).toBe('SOUL_ALIASED');
      expect(await codeOf(sophia.step({ hessian: { from, batchSize: 1 } }))).toBe('SOUL_ALIASED');
    }
    const both = FlatBuffer.alloc(38);
    const shifted = new Sophia({ values: parameters.values, gradients: both.view(0, 37) });
    expect(await codeOf(shifted.step({ hessian: { from: both.view(1, 37), batchSize: 1 } }))).toBe('SOUL_ALIASED');
    expect(await codeOf(shifted.step({ hessian: { from: both.view(0, 37), batchSize: 1 } }))).toBe('no error');
  });
});

describe('release', () => {
  test('takes its turn and keeps the parameters', async () => {
    const parameters = setUp();
    for (const Optimizer of [Sophia, AdamW, SGD, SignDescent]) {
      const optimizer = new Optimizer(parameters);
      const step = optimizer.step();
      const released = optimizer.release();
      expect((await step).step).toBe(1);
      await released;
      expect(await codeOf(optimizer.step())).toBe('SOUL_RELEASED');
      expect(await codeOf(() => optimizer.state.momentum)).toBe('SOUL_RELEASED');
      expect(await codeOf(optimizer.saveState('never'))).toBe('SOUL_RELEASED');
      await optimizer.release();
    }
    expect(parameters.values.released).toBe(false);
  });
});
