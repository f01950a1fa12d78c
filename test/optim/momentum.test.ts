import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { AdamW, FlatBuffer, maskOfRanges, type Precision, SGD, SignDescent } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { fromBf16, nearestBf16 } from './exact-reference.ts';
import { hashed } from './hashed.ts';
import { limitBuffers } from './limited-memory.ts';
import { codeOf, setUp } from './set-up.ts';

const both = [
  ['SGD', SGD],
  ['SignDescent', SignDescent],
] as const;

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-momentum-'));
  path = join(folder, 'state.safetensors');
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  jest.restoreAllMocks();
});

function bf16(numbers: Float32Array): FlatBuffer<'bf16'> {
  return FlatBuffer.from(Uint16Array.from(numbers, nearestBf16));
}

/** Largest difference of float32 numbers from those in float64. */
function distance(found: FlatBuffer, expected: ArrayLike<number>): number {
  return Array.from(found.array).reduce((largest: number, x, i) => Math.max(largest, Math.abs(x - expected[i]!)), 0);
}

describe.each(both)('%s', (name, Optimizer) => {
  /** The rule in float64. */
  const plainStep = (value: number, m: number, g: number, mu: number, rate: number, decay: number) => {
    const next = mu * m + (name === 'SGD' ? 1 : 1 - mu) * g;
    return [value * (1 - rate * decay) - rate * (name === 'SGD' ? next : Math.sign(next)), next] as const;
  };

  test.each([37, 2 ** 20 + 5003])(
    'is its formula over %d weights: groups, clipping, ascent and a mask',
    async (length) => {
      const { values, gradients } = setUp(length);
      const cut = length - 20;
      const isFrozen = (i: number) => (i >= 5 && i < 9) || (i >= length - 15 && i < length - 9);
      const frozen = maskOfRanges(length, [
        { start: 5, length: 4 },
        { start: length - 15, length: 6 },
      ]);
      const parameterGroups = [
        { name: 'vector', start: cut, length: 10, weightDecay: 0 },
        { name: 'matrix', start: 3, length: cut - 3, learningRateScale: 0.5 },
      ];
      const options = { learningRate: 0.01, weightDecay: 0.2, momentum: 0.8, clipNorm: 1.5, maximize: true };
      const optimizer = new Optimizer({ values, gradients }, { ...options, parameterGroups, frozen });
      const expected = { values: Float64Array.from(values.array), m: new Float64Array(length) };
      for (let step = 0; step < 3; step++) {
        const g = hashed(10 + step, length);
        await gradients.copyFrom(g);
        const before = values.array.slice();
        const norm = Math.sqrt(g.reduce((sum, x, i) => sum + (isFrozen(i) ? 0 : x * x), 0));
        const found = await optimizer.step();
        for (let i = 0; i < length; i++) {
          if (isFrozen(i)) continue;
          const rate = i >= 3 && i < cut ? 0.005 : 0.01;
          const decay = i >= cut && i < cut + 10 ? 0 : 0.2;
          const scaled = -g[i]! * Math.min(1, 1.5 / norm);
          [expected.values[i], expected.m[i]] = plainStep(
            expected.values[i]!,
            expected.m[i]!,
            scaled,
            0.8,
            rate,
            decay,
          );
        }
        const changed = values.array.filter((x, i) => x !== before[i]).length;
        expect(found).toMatchObject({ step: step + 1, skipped: false, stepped: length - 10 });
        expect(found.changedFraction).toBe(changed / (length - 10));
        expect(found.gradientNorm).toBeCloseTo(norm, 8);
        expect(found.groups.map(({ name: group, stepped }) => [group, stepped])).toEqual([
          ['vector', 10 - 5],
          ['matrix', cut - 3 - 4],
          ['default', 3 + 10 - 1],
        ]);
      }
      // Three steps of a few roundings each, of numbers below 2.
      expect(distance(values, expected.values)).toBeLessThan(12 * 2 ** -24);
      expect(distance(optimizer.state.momentum, expected.m)).toBeLessThan(12 * 2 ** -24);
    },
  );

  test('without momentum steps by the gradient alone, and stands where that is 0', async () => {
    const values = FlatBuffer.from(Float32Array.of(1, 1, 1, 1));
    const gradients = FlatBuffer.from(Float32Array.of(1e8, -0.5, 0, 2));
    const optimizer = new Optimizer({ values, gradients }, { learningRate: 0.25, momentum: 0 });
    await optimizer.step();
    gradients.array.set([1, 0, 0, -4]);
    values.array.set([1, 1, 1, 1]);
    const { changedFraction } = await optimizer.step();
    expect([...values.array]).toEqual(name === 'SGD' ? [0.75, 1, 1, 2] : [0.75, 1, 1, 1.25]);
    expect(changedFraction).toBe(0.5);
  });

  test('skips what is not finite, and nothing has changed; or lets it through', async () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { values, gradients } = setUp();
      const optimizer = new Optimizer({ values, gradients }, { clipNorm: 1 });
      await optimizer.step();
      const [before, momentum] = [values.array.slice(), optimizer.state.momentum.array.slice()];
      gradients.array[3] = odd;
      const found = await optimizer.step({ zeroGradients: true });
      expect(found).toMatchObject({ step: 1, skipped: true, stepped: 0, changedFraction: 0 });
      expect([values.array, optimizer.state.momentum.array]).toEqual([before, momentum]);
      expect(gradients.array[3]).toBe(odd);
      const through = new Optimizer({ values, gradients }, { nonFinite: 'propagate' });
      expect(await through.step({ zeroGradients: true })).toMatchObject({
        step: 1,
        skipped: false,
        changedFraction: 1,
      });
      expect([...values.array.keys()].filter((i) => !Number.isFinite(values.array[i]!))).toEqual(
        name === 'SGD' || Number.isNaN(odd) ? [3] : [],
      );
      expect(gradients.array.every((g) => g === 0)).toBe(true);
    }
  });

  test('does not take a gradient whose square is too large for float32 for infinite', async () => {
    const { values, gradients } = setUp();
    gradients.array[0] = 3e38;
    const { skipped, gradientNorm } = await new Optimizer({ values, gradients }, { clipNorm: 1 }).step();
    expect([skipped, gradientNorm]).toEqual([false, Math.fround(3e38)]);
  });

  test('refuses a rate that no float32 holds before anything changes', async () => {
    const { values, gradients } = setUp();
    const before = values.array.slice();
    const optimizer = new Optimizer(
      { values, gradients },
      { parameterGroups: [{ start: 0, length: 9, learningRateScale: 1e30 }] },
    );
    expect(await codeOf(optimizer.step({ learningRate: 1e30 }))).toBe('SOUL_INVALID_ARGUMENT');
    expect([values.array, optimizer.state.step]).toEqual([before, 0]);
  });

  test('changes nothing where memory was given up before its turn', async () => {
    const { values, gradients } = setUp();
    const optimizer = new Optimizer({ values, gradients });
    await optimizer.step();
    const before = values.array.slice();
    const step = codeOf(optimizer.step());
    await optimizer.state.momentum.release();
    expect(await step).toBe('SOUL_RELEASED');
    expect([values.array, optimizer.state.step]).toEqual([before, 1]);
  });

  test('takes calls that nobody awaits in their order', async () => {
    const [first, second] = [setUp(20_000), setUp(20_000)];
    const [awaited, hasty] = [new Optimizer(first), new Optimizer(second)];
    for (let i = 0; i < 2; i++) await awaited.step();
    await awaited.saveState(path);
    await awaited.step({ learningRate: 0.5 });
    const hastyPath = join(folder, 'hasty');
    hasty.step();
    hasty.step();
    hasty.saveState(hastyPath);
    const last = hasty.step({ learningRate: 0.5 });
    const released = hasty.release();
    expect((await last).step).toBe(3);
    await released;
    expect(second.values.array).toEqual(first.values.array);
    const [one, two] = await Promise.all([path, hastyPath].map(openSafetensors));
    const average = [...one!.tensors.keys()][0]!;
    expect(await two!.read(average)).toEqual(await one!.read(average));
    expect(two!.metadata).toEqual(one!.metadata);
    await Promise.all([one!.close(), two!.close()]);
  });

  test('steps bf16 values with a master as in float32', async () => {
    const length = 2051;
    const values = bf16(hashed(1, length));
    const gradients = FlatBuffer.alloc(length, { dtype: 'bf16' });
    const wide = {
      values: FlatBuffer.from(Float32Array.from(values.array, fromBf16)),
      gradients: FlatBuffer.alloc(length),
    };
    const options = { learningRate: 0.01, weightDecay: 0.1 };
    const [narrow, reference] = [new Optimizer({ values, gradients }, options), new Optimizer(wide, options)];
    for (let step = 0; step < 4; step++) {
      await gradients.copyFrom(bf16(hashed(10 + step, length)));
      await wide.gradients.copyFrom(gradients);
      const before = values.array.slice();
      const [found, expected] = [await narrow.step({ zeroGradients: true }), await reference.step()];
      expect(narrow.state.master!.array).toEqual(wide.values.array);
      expect(narrow.state.momentum.array).toEqual(reference.state.momentum.array);
      expect(values.array).toEqual(Uint16Array.from(wide.values.array, nearestBf16));
      expect(found.gradientNorm).toBe(expected.gradientNorm);
      expect(found.changedFraction).toBe(values.array.filter((x, i) => x !== before[i]).length / length);
      expect(gradients.array.every((x) => x === 0)).toBe(true);
    }
    await values.fill(0.5);
    await narrow.refreshMaster();
    await narrow.step({ learningRate: 0 });
    expect([...new Set(values.array)]).toEqual([nearestBf16(0.5)]);
  });

  test('keeps frozen values to the bit, whatever they and their master are', async () => {
    const odd = [-0, 0, 1e-40, Number.NaN, Number.NEGATIVE_INFINITY, 3e38, -1.5, 0.1];
    for (const dtype of ['f32', 'bf16'] as const) {
      const values = FlatBuffer.alloc(16, { dtype });
      const gradients = FlatBuffer.alloc(16, { dtype });
      await values.copyFrom(Float32Array.from({ length: 16 }, (_, i) => odd[i % 8]!));
      await gradients.fill(1);
      const optimizer = new Optimizer({ values, gradients }, { frozen: maskOfRanges(16, [{ start: 0, length: 8 }]) });
      // What something else wrote, and the master does not know.
      await values.view(7, 1).fill(0.25);
      const before = Buffer.from(values.array.slice().buffer);
      const { stepped } = await optimizer.step();
      const after = Buffer.from(values.array.slice().buffer);
      const half = before.length / 2;
      expect(after.subarray(0, half)).toEqual(before.subarray(0, half));
      expect(after.subarray(half)).not.toEqual(before.subarray(half));
      expect(stepped).toBe(8);
    }
  });

  test('counts small steps on the average when rounded at random, and loses them when rounded to the nearest', async () => {
    const many = 4096;
    const run = async (rounding: 'nearest' | 'stochastic', seed: bigint) => {
      const values = bf16(new Float32Array(many).fill(1));
      const gradients = bf16(new Float32Array(many).fill(1));
      const precision = { master: 'none', states: 'f32', rounding } as const;
      const optimizer = new Optimizer({ values, gradients }, { learningRate: 2 ** -12, momentum: 0, precision, seed });
      for (let i = 0; i < 64; i++) await optimizer.step();
      return values.toFloat32Array();
    };
    const mean = (numbers: Float32Array) => numbers.reduce((sum, x) => sum + x, 0) / many;
    expect(mean(await run('nearest', 1n))).toBe(1);
    const spread = Math.sqrt((64 * 2 ** -12 * 2 ** -8) / many);
    const values = await run('stochastic', 1n);
    expect(Math.abs(mean(values) - (1 - 64 * 2 ** -12))).toBeLessThan(5 * spread);
    expect(await run('stochastic', 1n)).toEqual(values);
    expect(await run('stochastic', 2n)).not.toEqual(values);
  });

  const storages: (Precision & { dtype: 'f32' | 'bf16' })[] = [
    { dtype: 'f32' },
    { dtype: 'f32', states: 'bf16' },
    { dtype: 'bf16' },
    { dtype: 'bf16', states: 'bf16' },
    { dtype: 'bf16', master: 'none' },
    { dtype: 'bf16', master: 'none', states: 'bf16' },
  ];

  test.each(storages)('goes on from its file as if it had never stopped: %j', async ({ dtype, ...precision }) => {
    const make = async () => {
      const layout = ParameterLayout.of([{ name: 'w', shape: [13, 7], group: 'matrix' }]);
      const parameters = {
        values: FlatBuffer.alloc(layout.length, { dtype }),
        gradients: FlatBuffer.alloc(layout.length, { dtype }),
        layout,
      };
      for (const [i, buffer] of [parameters.values, parameters.gradients].entries()) {
        await buffer.view(0, 91).copyFrom(hashed(i + 1, 91));
      }
      return new Optimizer(parameters, { learningRate: 0.01, precision, seed: 5n });
    };
    const first = await make();
    for (let i = 0; i < 3; i++) await first.step();
    await first.saveState(path);
    const file = await openSafetensors(path);
    const average = name === 'SGD' ? 'momentum_buffer/w' : 'exp_avg/w';
    expect(file.tensors.get(average)).toMatchObject({
      dtype: precision.states === 'bf16' ? 'BF16' : 'F32',
      shape: [13, 7],
    });
    expect(file.tensors.has('master/w')).toBe(first.state.master !== undefined);
    expect(file.metadata).toMatchObject({ optimizer: name === 'SGD' ? 'sgd' : 'sign', step: '3' });
    await file.close();
    const second = await make();
    await second.parameters.values.copyFrom(first.parameters.values);
    await second.loadState(path);
    expect(await second.step()).toEqual(await first.step());
    expect(second.parameters.values.array).toEqual(first.parameters.values.array);
    expect(second.state.momentum.array).toEqual(first.state.momentum.array);
    expect(second.state.master?.array).toEqual(first.state.master?.array);
  });

  test("refuses another optimizer's file, and nothing changes", async () => {
    const optimizer = new Optimizer(setUp());
    await optimizer.step();
    const before = optimizer.state.momentum.array.slice();
    await (name === 'SGD' ? new AdamW(setUp()) : new SGD(setUp())).saveState(path);
    expect(await codeOf(optimizer.loadState(path))).toBe('SOUL_BAD_FILE');
    expect(await codeOf(optimizer.loadState(join(folder, 'missing')))).toBe('SOUL_NOT_FOUND');
    expect([optimizer.state.momentum.array, optimizer.state.step]).toEqual([before, 1]);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7])('gives back the %d buffers that there were when memory ended', (room) => {
    const parameters = { values: bf16(hashed(1, 99)), gradients: bf16(hashed(2, 99)) };
    const frozen = maskOfRanges(99, []);
    const { made, full } = limitBuffers(room);
    expect(() => new Optimizer(parameters, { frozen })).toThrow(
      expect.objectContaining({ code: 'SOUL_OUT_OF_MEMORY', cause: full }),
    );
    expect(made.map(({ released }) => released)).toEqual(new Array(room).fill(true));
  });
});
