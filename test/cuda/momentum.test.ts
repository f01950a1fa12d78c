import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Device, FlatBuffer, maskOfRanges, type Precision, SGD, SignDescent } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';

const length = 5003;
const device = 'cuda:0';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-momentum-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const precisions: [string, 'f32' | 'bf16', Precision][] = [
  ['float32', 'f32', {}],
  ['float32 with bf16 states', 'f32', { states: 'bf16' }],
  ['bf16 with a master', 'bf16', {}],
  ['bf16 throughout', 'bf16', { master: 'none', states: 'bf16' }],
];

describe.each([
  ['SGD', SGD],
  ['SignDescent', SignDescent],
] as const)('%s on a device', (_, Optimizer) => {
  async function make(place: Device, dtype: 'f32' | 'bf16', precision: Precision, masked: boolean) {
    const values = FlatBuffer.alloc(length, { dtype, device: place });
    const gradients = FlatBuffer.alloc(length, { dtype, device: place });
    await values.copyFrom(hashed(1, length));
    await gradients.copyFrom(hashed(2, length));
    const mask = maskOfRanges(length, [
      { start: 13, length: 700 },
      { start: 4997, length: 6 },
    ]);
    const frozen = FlatBuffer.alloc(mask.length, { dtype: 'u8', device: place });
    await frozen.copyFrom(mask);
    const parameterGroups = [{ name: 'vector', start: 11, length: 1777, weightDecay: 0, learningRateScale: 0.5 }];
    // A bound that does not clip: norms may differ in their last place.
    const options = { learningRate: 0.01, weightDecay: 0.1, clipNorm: 1e9, precision, seed: 5n, parameterGroups };
    return new Optimizer({ values, gradients }, { ...options, ...(masked ? { frozen } : {}) });
  }

  test.each(precisions.flatMap((each) => [[...each, false] as const, [...each, true] as const]))(
    'has the bits of the CPU, state, file and statistics: %s, %s, %j, masked %p',
    async (_name, dtype, precision, masked) => {
      const here = await make('cpu', dtype, precision, masked);
      const there = await make(device, dtype, precision, masked);
      expect(there.state.momentum.device).toBe(device);
      for (let step = 0; step < 3; step++) {
        const zeroGradients = step === 2;
        const [expected, found] = [await here.step({ zeroGradients }), await there.step({ zeroGradients })];
        expect(found).toEqual({ ...expected, gradientNorm: expect.any(Number) });
        expect(found.gradientNorm).toBeCloseTo(expected.gradientNorm, 8);
      }
      const path = join(folder, 'state');
      await there.saveState(path);
      const loaded = await make(device, dtype, precision, masked);
      await loaded.parameters.values.copyFrom(there.parameters.values);
      await loaded.loadState(path);
      for (const optimizer of [here, there, loaded]) {
        await optimizer.parameters.gradients.copyFrom(hashed(3, length));
        await optimizer.step();
      }
      const numbers = async ({ parameters: { values }, state }: SGD | SignDescent) =>
        Promise.all([values, state.momentum, state.master].map((buffer) => buffer?.toFloat32Array()));
      expect(await numbers(there)).toEqual(await numbers(here));
      expect(await numbers(loaded)).toEqual(await numbers(here));
      await Promise.all([there.release(), loaded.release()]);
      expect(there.parameters.values.released).toBe(false);
    },
  );

  test('skips what is not finite', async () => {
    const optimizer = await make(device, 'f32', {}, false);
    const before = await optimizer.parameters.values.toFloat32Array();
    await optimizer.parameters.gradients.view(700, 1).fill(Number.NaN);
    expect(await optimizer.step()).toMatchObject({ step: 0, skipped: true, stepped: 0 });
    expect(await optimizer.parameters.values.toFloat32Array()).toEqual(before);
  });
});
