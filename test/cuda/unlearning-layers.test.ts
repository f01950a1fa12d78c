import { expect, test } from '@jest/globals';
import { TorchLM } from '../../lib/torch/index.ts';
import { smallBatch, smallConfig } from '../torch/adapter-models.ts';
import { describeWithCudaEngine } from './engine-available.ts';

const adapter = { kind: 'unlearning-layers', bottleneck: 3, seed: 3n } as const;
const weights = Float32Array.from({ length: smallBatch.labelCount }, (_, i) => 0.5 - 0.2 * i);

/** What another order of additions may change, as a share of the largest number; see engine.test.ts. */
const tolerance = { f32: 2e-5, bf16: 0.06 };

function distance(found: Float32Array | Float64Array, expected: Float32Array | Float64Array): number {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]!))) / largest;
}

/** With every weight moved off its start, as a function of its place. */
async function moved(dtype: 'f32' | 'bf16', device: 'cpu' | 'cuda'): Promise<TorchLM<'f32' | 'bf16'>> {
  const model = await TorchLM.create(smallConfig, 1n, { adapter, dtype, device });
  const { values } = model.parameters;
  const start = await values.toFloat32Array();
  await values.copyFrom(start.map((value, i) => value + 0.3 * Math.sin(i)));
  return model;
}

describeWithCudaEngine('unlearning layers on a device', () => {
  test.each(['f32', 'bf16'] as const)('give the losses, gradients and sums of the CPU: %s', async (dtype) => {
    const [host, device] = [await moved(dtype, 'cpu'), await moved(dtype, 'cuda')];
    const losses = await Promise.all([host, device].map((model) => model.accumulate(smallBatch, weights)));
    expect(distance(losses[1]!, losses[0]!)).toBeLessThan(tolerance[dtype]);
    const gradients = await Promise.all([host, device].map(({ parameters }) => parameters.gradients.toFloat32Array()));
    expect(distance(gradients[1]!, gradients[0]!)).toBeLessThan(tolerance[dtype]);
    const [expected, found] = await Promise.all([host, device].map((model) => model.bottleneckInputs(smallBatch)));
    expect(found!.length).toBe(host.config.layers);
    for (const [layer, { down, up }] of found!.entries()) {
      expect(distance(down, expected![layer]!.down)).toBeLessThan(tolerance[dtype]);
      expect(distance(up, expected![layer]!.up)).toBeLessThan(tolerance[dtype]);
    }
    for (const each of [host, device]) await each[Symbol.asyncDispose]();
  });
});
