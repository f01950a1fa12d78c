import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { AdamW, FlatBuffer, Sophia } from '../../lib/index.ts';
import {
  adamwStep,
  fromBf16,
  hessianAverage,
  nearestBf16,
  purposes,
  roundingBits,
  sophiaStep,
  stochasticBf16,
} from './exact-reference.ts';
import { hashed } from './hashed.ts';
import { limitBuffers } from './limited-memory.ts';
import { codeOf } from './set-up.ts';

const length = 2051; // two blocks and an odd rest
const sophiaNumbers = { learningRate: 0.01, weightDecay: 0.1, beta1: 0.9, rho: 0.5, epsilon: 1e-15 };
const adamwNumbers = { learningRate: 0.01, weightDecay: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };

function bf16(numbers: Float32Array): FlatBuffer<'bf16'> {
  return FlatBuffer.from(Uint16Array.from(numbers, nearestBf16));
}

const gradientsOf = (step: number) => hashed(10 + step, length);
const widen = (bits: ArrayLike<number>) => Float32Array.from(bits, fromBf16);

function sophiaOn(values: FlatBuffer, gradients: FlatBuffer, options = {}) {
  const { learningRate, weightDecay, rho, epsilon, beta1 } = sophiaNumbers;
  return new Sophia(
    { values, gradients },
    { learningRate, weightDecay, rho, epsilon, betas: [beta1, 0.99], nonFinite: 'propagate', ...options },
  );
}

describe('float32', () => {
  test('Sophia is the formula, operation by operation', async () => {
    const values = FlatBuffer.from(hashed(1, length));
    const gradients = FlatBuffer.alloc(length);
    const sophia = sophiaOn(values, gradients);
    const expected = { values: hashed(1, length), m: new Float32Array(length), h: new Float32Array(length) };
    for (let step = 0; step < 3; step++) {
      const g = gradientsOf(step);
      await gradients.copyFrom(g);
      const { clippedFraction } = await sophia.step({ hessian: { batchSize: 3 } });
      let clipped = 0;
      for (let i = 0; i < length; i++) {
        expected.h[i] = hessianAverage(expected.h[i]!, g[i]!, 0.99, 3);
        const [value, m, cut] = sophiaStep(expected.values[i]!, expected.m[i]!, expected.h[i]!, g[i]!, sophiaNumbers);
        expected.values[i] = value;
        expected.m[i] = m;
        clipped += cut ? 1 : 0;
      }
      expect(clippedFraction).toBe(clipped / length);
      expect(values.array).toEqual(expected.values);
      expect(sophia.state.momentum.array).toEqual(expected.m);
      expect(sophia.state.hessian.array).toEqual(expected.h);
    }
  });

  test('AdamW is the formula, operation by operation', async () => {
    const values = FlatBuffer.from(hashed(1, length));
    const gradients = FlatBuffer.alloc(length);
    const { learningRate, weightDecay, epsilon } = adamwNumbers;
    const adamw = new AdamW({ values, gradients }, { learningRate, weightDecay, epsilon, betas: [0.9, 0.99] });
    const expected = { values: hashed(1, length), m: new Float32Array(length), v: new Float32Array(length) };
    for (let step = 1; step <= 3; step++) {
      const g = gradientsOf(step);
      await gradients.copyFrom(g);
      await adamw.step();
      for (let i = 0; i < length; i++) {
        const [value, m, v] = adamwStep(expected.values[i]!, expected.m[i]!, expected.v[i]!, g[i]!, step, adamwNumbers);
        expected.values[i] = value;
        expected.m[i] = m;
        expected.v[i] = v;
      }
      expect(values.array).toEqual(expected.values);
      expect(adamw.state.squareAverage.array).toEqual(expected.v);
    }
  });
});

describe('bf16 values with a float32 master', () => {
  test.each(['sophia', 'adamw'] as const)(
    '%s steps as in float32, and the values are the nearest bf16',
    async (name) => {
      const start = bf16(hashed(1, length));
      const values = FlatBuffer.from(start.array.slice());
      const gradients = FlatBuffer.alloc(length, { dtype: 'bf16' });
      const wideValues = FlatBuffer.from(widen(start.array));
      const wideGradients = FlatBuffer.alloc(length);
      const make = (v: FlatBuffer, g: FlatBuffer) =>
        name === 'sophia' ? sophiaOn(v, g) : new AdamW({ values: v, gradients: g }, { learningRate: 0.01 });
      const [narrow, wide] = [make(values, gradients), make(wideValues, wideGradients)];
      for (let step = 0; step < 4; step++) {
        const bits = bf16(gradientsOf(step)).array;
        gradients.array.set(bits);
        wideGradients.array.set(widen(bits));
        const before = values.array.slice();
        const hessian = name === 'sophia' ? { hessian: { batchSize: 3 } } : {};
        const { changedFraction, gradientNorm } = await narrow.step({ zeroGradients: true, ...hessian });
        const reference = await wide.step(hessian);
        expect(narrow.state.master!.array).toEqual(wideValues.array);
        expect(narrow.state.momentum.array).toEqual(wide.state.momentum.array);
        expect(values.array).toEqual(Uint16Array.from(wideValues.array, nearestBf16));
        expect(gradientNorm).toBe(reference.gradientNorm);
        expect(changedFraction).toBe(values.array.filter((x, i) => x !== before[i]).length / length);
        expect(gradients.array.every((x) => x === 0)).toBe(true);
      }
    },
  );

  test('follow what something else wrote, once the master is told', async () => {
    const values = bf16(hashed(1, length));
    const sophia = sophiaOn(values, bf16(gradientsOf(0)), { learningRate: 0 });
    await values.fill(0.5);
    await sophia.refreshMaster();
    await sophia.step();
    expect([...new Set(values.array)]).toEqual([nearestBf16(0.5)]);
  });
});

describe('bf16 throughout', () => {
  const seed = 0x1234567890abcdefn;

  test.each(['nearest', 'stochastic'] as const)('Sophia, rounded %s', async (rounding) => {
    const stochastic = rounding === 'stochastic';
    const values = bf16(hashed(1, length));
    const gradients = FlatBuffer.alloc(length, { dtype: 'bf16' });
    const precision = { master: 'none', states: 'bf16', rounding } as const;
    const sophia = sophiaOn(values, gradients, { precision, seed });
    const expected = { values: values.array.slice(), m: new Uint16Array(length), h: new Uint16Array(length) };
    const round = (x: number, purpose: number, count: number, i: number, upper = false) => {
      if (!stochastic) return nearestBf16(x);
      const bits = roundingBits(seed, purpose, count, i);
      return stochasticBf16(x, upper ? bits >>> 16 : bits);
    };
    for (let step = 1; step <= 3; step++) {
      const g = bf16(gradientsOf(step)).array;
      gradients.array.set(g);
      const apart = step === 2;
      if (apart) await sophia.updateHessian({ batchSize: 3 });
      await sophia.step(apart ? {} : { hessian: { batchSize: 3 } });
      for (let i = 0; i < length; i++) {
        const gradient = fromBf16(g[i]!);
        const h = hessianAverage(fromBf16(expected.h[i]!), gradient, 0.99, 3);
        // One estimate is in h when the second comes apart from a step.
        expected.h[i] = apart ? roundEstimate(h, i) : round(h, purposes.secondState, step, i);
        const [value, m] = sophiaStep(
          fromBf16(expected.values[i]!),
          fromBf16(expected.m[i]!),
          fromBf16(expected.h[i]!),
          gradient,
          sophiaNumbers,
        );
        expected.values[i] = round(value, purposes.step, step, i);
        expected.m[i] = round(m, purposes.step, step, i, true);
      }
      expect(sophia.state.hessian.array).toEqual(expected.h);
      expect(sophia.state.momentum.array).toEqual(expected.m);
      expect(values.array).toEqual(expected.values);
    }

    function roundEstimate(h: number, i: number): number {
      return round(h, purposes.estimate, 2 ** 32, i);
    }
  });

  test.each(['nearest', 'stochastic'] as const)('AdamW, rounded %s', async (rounding) => {
    const values = bf16(hashed(1, length));
    const gradients = FlatBuffer.alloc(length, { dtype: 'bf16' });
    const precision = { master: 'none', states: 'bf16', rounding } as const;
    const { learningRate, weightDecay, epsilon } = adamwNumbers;
    const adamw = new AdamW(
      { values, gradients },
      { learningRate, weightDecay, epsilon, betas: [0.9, 0.99], precision, seed },
    );
    const expected = { values: values.array.slice(), m: new Uint16Array(length), v: new Uint16Array(length) };
    for (let step = 1; step <= 3; step++) {
      const g = bf16(gradientsOf(step)).array;
      gradients.array.set(g);
      await adamw.step();
      for (let i = 0; i < length; i++) {
        const [value, m, v] = adamwStep(
          fromBf16(expected.values[i]!),
          fromBf16(expected.m[i]!),
          fromBf16(expected.v[i]!),
          fromBf16(g[i]!),
          step,
          adamwNumbers,
        );
        const random = rounding === 'nearest' ? undefined : roundingBits(seed, purposes.step, step, i);
        const squareRandom = roundingBits(seed, purposes.secondState, step, i);
        expected.values[i] = random === undefined ? nearestBf16(value) : stochasticBf16(value, random);
        expected.m[i] = random === undefined ? nearestBf16(m) : stochasticBf16(m, random >>> 16);
        expected.v[i] = random === undefined ? nearestBf16(v) : stochasticBf16(v, squareRandom);
      }
      expect(adamw.state.momentum.array).toEqual(expected.m);
      expect(adamw.state.squareAverage.array).toEqual(expected.v);
      expect(values.array).toEqual(expected.values);
    }
  });

  test('small steps count on the average when rounded at random, and are lost when rounded to the nearest', async () => {
    const many = 4096;
    const run = async (rounding: 'nearest' | 'stochastic') => {
      const values = bf16(new Float32Array(many).fill(1));
      const gradients = bf16(new Float32Array(many).fill(1));
      const precision = { master: 'none', states: 'f32', rounding } as const;
      const options = { learningRate: 2 ** -12, weightDecay: 0, rho: 1e-9, precision };
      const sophia = new Sophia({ values, gradients }, options);
      for (let i = 0; i < 64; i++) await sophia.step();
      return (await values.toFloat32Array()).reduce((sum, x) => sum + x, 0) / many;
    };
    expect(await run('nearest')).toBe(1);
    // 64 steps of 2^-12 down; below 1 a bf16 step is 2^-8, and each is taken or not with its own probability.
    const spread = Math.sqrt((64 * 2 ** -12 * 2 ** -8) / many);
    expect(Math.abs((await run('stochastic')) - (1 - 64 * 2 ** -12))).toBeLessThan(5 * spread);
  });

  test('what arithmetic makes of NaN and infinity stays that', async () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.3e38, -0, 1e-40];
    const values = bf16(Float32Array.from({ length: 64 }, (_, i) => special[i % special.length]!));
    const gradients = FlatBuffer.alloc(64, { dtype: 'bf16' });
    const precision = { master: 'none', states: 'bf16' } as const;
    await sophiaOn(values, gradients, { precision, weightDecay: 0 }).step();
    for (const [i, value] of (await values.toFloat32Array()).entries()) {
      const expected = special[i % special.length]!;
      if (Number.isNaN(expected)) expect(value).toBeNaN();
      else if (!Number.isFinite(expected)) expect(value).toBe(expected);
    }
  });
});

describe('bad precision', () => {
  const narrow = { values: bf16(hashed(1, 8)), gradients: bf16(hashed(2, 8)) };
  const wide = { values: FlatBuffer.alloc(8), gradients: FlatBuffer.alloc(8) };

  test.each([
    [wide, { master: 'f32' }],
    [narrow, { master: 'f16' }],
    [narrow, { states: 'f16' }],
    [narrow, { rounding: 'up' }],
    [narrow, { round: 'nearest' }],
    [narrow, null],
  ])('is refused (%#)', async (parameters, precision) => {
    expect(await codeOf(() => new Sophia(parameters, { precision: precision as never }))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(() => new AdamW(parameters, { precision: precision as never }))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('so are mixed dtypes and bytes for parameters', async () => {
    const bytes = { values: FlatBuffer.alloc(8, { dtype: 'u8' }), gradients: FlatBuffer.alloc(8, { dtype: 'u8' }) };
    expect(await codeOf(() => new Sophia(bytes))).toBe('SOUL_INVALID_ARGUMENT');
    const mixed = { values: wide.values, gradients: narrow.gradients };
    expect(await codeOf(() => new Sophia(mixed))).toBe('SOUL_INVALID_ARGUMENT');
    expect(await codeOf(() => new Sophia(wide, { seed: -1n }))).toBe('SOUL_INVALID_ARGUMENT');
  });
});

describe('memory that ends while an optimizer is made', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test.each([0, 1, 2])('gives back the %d buffers that there were', (room) => {
    const [values, gradients] = [1, 2].map((i) => bf16(hashed(i, length)));
    const { made, full } = limitBuffers(room);
    expect(() => new Sophia({ values: values!, gradients: gradients! })).toThrow(
      expect.objectContaining({ code: 'SOUL_OUT_OF_MEMORY', cause: full }),
    );
    expect(made.map(({ released }) => released)).toEqual(new Array(room).fill(true));
  });
});
