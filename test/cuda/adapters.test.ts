import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FlatBuffer, nativeMemory } from '../../lib/core/flat-buffer.ts';
import { adapterConfig } from '../../lib/model/adapter/adapter-config.ts';
import { adapterLayout } from '../../lib/model/adapter/adapter-layout.ts';
import { parseModelConfig } from '../../lib/model/config.ts';
import { parameterLayout } from '../../lib/model/decoder-weights.ts';
import { nativeEngine } from '../../lib/torch/engine.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { nativeSpecification } from '../../lib/torch/native-specification.ts';
import { movedModel, moveFactors, smallBatch, smallConfig } from '../torch/adapter-models.ts';
import { describeWithCudaEngine } from './engine-available.ts';

const adapter = { kind: 'lora', rank: 3, targets: 'all-linear', seed: 3n } as const;
const weights = Float32Array.from({ length: smallBatch.labelCount }, (_, i) => 0.5 - 0.2 * i);

/** What another order of additions may change, as a share of the largest number; see engine.test.ts. */
const tolerance = { f32: 2e-5, bf16: 0.06 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

function distance(found: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}

async function closeTo(found: FlatBuffer, expected: FlatBuffer, most: number): Promise<void> {
  expect(distance(await found.toFloat32Array(), await expected.toFloat32Array())).toBeLessThan(most);
}

describeWithCudaEngine('adapters on a device', () => {
  test.each(['f32', 'bf16'] as const)('train, fork, merge and are saved as on the CPU: %s', async (dtype) => {
    const host = await movedModel({ adapter, dtype });
    const device = await movedModel({ adapter, dtype, device: 'cuda' });
    expect([device.parameters.values.device, device.base!.values.device]).toEqual(['cuda:0', 'cuda:0']);
    expect(await device.parameters.values.toFloat32Array()).toEqual(await host.parameters.values.toFloat32Array());

    const forks = await Promise.all([host, device].map((model) => model.fork()));
    for (const fork of forks) await moveFactors(fork, 'B', 0.5);
    for (const [i, model] of [host, device].entries()) {
      await model.accumulate(smallBatch, weights);
      const pass = await model.klTo(forks[i]!, smallBatch);
      await pass.backward(weights);
    }
    await closeTo(device.parameters.gradients, host.parameters.gradients, tolerance[dtype]);
    await closeTo(device.base!.values, host.base!.values, 1e-30);

    const merged = await Promise.all([host, device].map((model) => model.merged()));
    await closeTo(merged[1]!.parameters.values, merged[0]!.parameters.values, dtype === 'f32' ? 1e-6 : 2 ** -8);
    const scores = await Promise.all([...merged, device].map((model) => model.score(smallBatch)));
    expect(distance(scores[1]!.logProbability, scores[0]!.logProbability)).toBeLessThan(tolerance[dtype]);
    expect(distance(scores[1]!.logProbability, scores[2]!.logProbability)).toBeLessThan(tolerance[dtype]);

    const base = await TorchLM.create(smallConfig, 1n, { dtype });
    await base.save(join(folder, 'base'));
    await device.save(join(folder, 'adapter'), { base: '../base' });
    const again = await TorchLM.load(join(folder, 'adapter'), { dtype, device: 'cuda' });
    expect(await again.parameters.values.toFloat32Array()).toEqual(await device.parameters.values.toFloat32Array());
    for (const each of [host, device, base, again, ...forks, ...merged]) await each[Symbol.asyncDispose]();
  });

  test('are of no use once the memory of their base is released', async () => {
    const config = parseModelConfig(smallConfig);
    const lora = adapterConfig(adapter, config);
    const settings = {
      attention: 'portable',
      checkpointActivations: false,
      threads: 1,
      logitsMemory: 2 ** 20,
    } as const;
    const specification = nativeSpecification(config, settings, lora);
    const { length } = adapterLayout(config, lora);
    const alloc = (size: number) => FlatBuffer.alloc(size, { device: 'cuda' });
    const [base, values, gradients] = [alloc(parameterLayout(config).length), alloc(length), alloc(length)];
    const own = [nativeMemory(values, 'values'), nativeMemory(gradients, 'gradients')] as const;
    const { createModel, nll, backward, score, merge } = nativeEngine();
    const model = createModel(specification, nativeMemory(base, 'base'), undefined, ...own);
    const arrays = [smallBatch.tokens, smallBatch.offsets, smallBatch.labelPositions] as const;
    const { pass } = await nll(model, ...arrays);
    const target = nativeMemory(alloc(base.length), 'target');
    await base.release();
    const calls = [
      () => score(model, ...arrays, 1),
      () => backward(pass, weights, undefined, false),
      () => merge(model, target),
    ];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'SOUL_RELEASED' }));
    await Promise.all([values, gradients].map((each) => each.release()));
  });
});
