import { expect, test } from '@jest/globals';
import { adapterScale } from '../../lib/model/adapter/adapter-config.ts';
import { adaptedModules } from '../../lib/model/adapter/adapter-layout.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { movedModel, numbersOf, smallBatch, smallConfig } from './adapter-models.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedAdapters, withAdapterFolder } from './recorded-adapters.ts';

/** How far merged weights are from W + scale * B A in float64, at most, in units of half the spacing of their dtype. */
async function mergingError(model: TorchLM<'f32' | 'bf16'>): Promise<number> {
  const merged = await model.merged();
  const modules = adaptedModules(model.config, model.adapter!);
  const scale = adapterScale(model.adapter!);
  const digits = model.parameters.values.dtype === 'f32' ? 24 : 8;
  let error = 0;
  for (const [name, { offset, shape, group, transposed }] of merged.parameters.layout) {
    if (group !== 'matrix') continue;
    const module = modules.find(({ weight }) => weight === name);
    const before = await numbersOf(model.base!, name);
    const after = await numbersOf(merged.parameters, name);
    if (module === undefined) {
      expect(after.numbers).toEqual(before.numbers);
      continue;
    }
    const a = await numbersOf(model.parameters, module.a);
    const b = await numbersOf(model.parameters, module.b);
    for (let o = 0; o < module.outputs; o++) {
      for (let i = 0; i < module.inputs; i++) {
        const at = transposed ? i * module.outputs + o : o * module.inputs + i;
        let product = 0;
        let size = 0;
        for (let k = 0; k < a.rows; k++) {
          const term = scale * b.numbers[o * b.columns + k]! * a.numbers[k * a.columns + i]!;
          product += term;
          size += Math.abs(term);
        }
        const exact = before.numbers[at]! + product;
        // Sums in float32 have errors by the size of their terms.
        const summing = 2 ** -23 * (size + Math.abs(before.numbers[at]!));
        const rounding = 2 ** (Math.floor(Math.log2(Math.abs(exact))) - digits);
        const spare = model.parameters.values.dtype === 'f32' ? 2 * summing : rounding + 2 * summing;
        error = Math.max(error, Math.abs(after.numbers[at]! - exact) / spare);
      }
    }
    expect([offset, shape.length]).toEqual([model.base!.layout.get(name)!.offset, 2]);
  }
  merged.release();
  return error;
}

describeWithEngine('merging', () => {
  test.each(recordedAdapters)('is W + scale * B A, rounded once: %s', (_, recorded) =>
    withAdapterFolder(recorded, async ({ adapter }) => {
      for (const dtype of ['f32', 'bf16'] as const) {
        const model = await TorchLM.load(adapter, { threads: 1, dtype });
        expect(await mergingError(model)).toBeLessThanOrEqual(1);
        model.release();
      }
    }),
  );

  test('leaves a model of ordinary weights what it was, to 1e-6 nats', async () => {
    const model = await movedModel({ adapter: { kind: 'lora', rank: 3, targets: 'all-linear' } });
    const plain = (await model.score(smallBatch)).logProbability;
    const merged = await model.merged();
    const found = (await merged.score(smallBatch)).logProbability;
    const farthest = Math.max(...found.map((value, i) => Math.abs(value - plain[i]!)));
    expect(farthest).toBeLessThan(1e-6);
    // It trains as any whole model does, and the adapters are left as they were.
    await merged.accumulate(smallBatch, new Float32Array(smallBatch.labelCount).fill(1));
    expect(merged.parameters.gradients.array.some((value) => value !== 0)).toBe(true);
    expect((await model.score(smallBatch)).logProbability).toEqual(plain);
    model.release();
    expect((await merged.score(smallBatch)).logProbability).toEqual(found);
    merged.release();
  });

  test('needs adapters', async () => {
    const model = await TorchLM.create(smallConfig, 1n);
    for (const call of [() => model.merged(), () => model.saveMerged('x'), () => model.fork()]) {
      await expect(call()).rejects.toMatchObject({ code: 'SOUL_UNSUPPORTED' });
    }
    model.release();
    await expect(model.merged()).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
  });
});
