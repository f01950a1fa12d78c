import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { type LoadOptions, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import { familyOf, type RecordedAdapter, recordedAdapters, withAdapterFolder } from './recorded-adapters.ts';
import { draw, projectionError } from './recorded-families.ts';
import { withPortableAttention } from './recorded-models.ts';

const one = { threads: 1 };

function farthest(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(found[i]! - value)));
}

function rootMeanSquare(found: ArrayLike<number>, expected: readonly number[]): number {
  return Math.hypot(...expected.map((value, i) => found[i]! - value)) / Math.sqrt(expected.length);
}

async function withAdapted<Result>(
  recorded: RecordedAdapter,
  work: (model: TorchLM<'f32'>, folders: { base: string; adapter: string }) => Promise<Result>,
  options: LoadOptions<'f32'> = {},
): Promise<Result> {
  return withAdapterFolder(recorded, async (folders) => {
    const model = await TorchLM.load(folders.adapter, { ...one, ...options });
    try {
      return await work(model, folders);
    } finally {
      model.release();
    }
  });
}

describeWithEngine.each(recordedAdapters)('adapters as PEFT computes them: %s', (_, recorded) => {
  const family = familyOf(recorded);
  const batch = TokenBatch.of(family.sequences);
  const weights = Float32Array.from(draw('weights of labels', batch.labelCount));
  const logP = recorded.nll.map((value) => -value);

  test('parameters have the names and shapes of the file', () =>
    withAdapted(recorded, async ({ parameters: { layout } }) => {
      const found = [...layout].map(([name, { shape }]): [string, number[]] => [name, [...shape]]);
      expect(new Map(found)).toEqual(new Map(recorded.tensors.map(([name, shape]) => [name, [...shape]])));
      for (const [name, { factor, group, role, layer }] of layout) {
        expect([name, group, role === undefined]).toEqual([name, 'matrix', false]);
        expect(name).toContain(`.lora_${factor}.weight`);
        expect(name).toContain(`.${layer}.`);
      }
    }));

  test.each([
    ['kept', {}],
    ['computed again', { checkpointActivations: true }],
  ])('nll and its gradients, activations %s; the base keeps its bits', (__, options) =>
    withAdapted(
      recorded,
      async (model) => {
        const before = model.base!.values.array.slice();
        const pass = await model.nll(batch);
        expect(farthest(pass.values, recorded.nll)).toBeLessThan(1e-4);
        await pass.backward(weights);
        const { layout, gradients } = model.parameters;
        expect(projectionError(recorded, layout, gradients.array)).toBeLessThan(1e-3);
        expect(Buffer.compare(Buffer.from(before.buffer), Buffer.from(model.base!.values.array.slice().buffer))).toBe(
          0,
        );
      },
      options,
    ),
  );

  test('accumulate', () =>
    withAdapted(recorded, async (model) => {
      expect(farthest(await model.accumulate(batch, weights), recorded.nll)).toBeLessThan(1e-4);
      const { layout, gradients } = model.parameters;
      expect(projectionError(recorded, layout, gradients.array)).toBeLessThan(1e-3);
    }));

  test('score, greedy generation, and both by the attention of other devices', () =>
    withAdapted(recorded, async (model, { adapter }) => {
      const prompts = recorded.generated.map(({ prompt }) => prompt);
      const expected = recorded.generated.map(({ tokens }) => tokens);
      const options = { maxNewTokens: expected[0]!.length };
      expect(farthest((await model.score(batch)).logProbability, logP)).toBeLessThan(1e-4);
      expect(await model.generate(prompts, options)).toEqual(expected);
      await withPortableAttention(async () => {
        const portable = await TorchLM.load(adapter, one);
        expect(farthest((await portable.score(batch)).logProbability, logP)).toBeLessThan(1e-4);
        expect(await portable.generate(prompts, options)).toEqual(expected);
        portable.release();
      });
    }));

  test('merged, in memory and in a folder, the model is the same', () =>
    withAdapted(recorded, async (model, { base, adapter }) => {
      const { logProbability } = await model.score(batch);
      const merged = await model.merged();
      expect(merged.adapter).toBeUndefined();
      const found = (await merged.score(batch)).logProbability;
      // As a share of the losses, which these models are made to vary by several nats; their weights are held closer in adapter-merging.test.ts.
      const size = Math.hypot(...recorded.nll) / Math.sqrt(recorded.nll.length);
      expect(rootMeanSquare(found, [...logProbability]) / size).toBeLessThan(1e-6);
      const out = join(base, 'merged');
      await model.saveMerged(out);
      const saved = await TorchLM.load(out, one);
      expect((await saved.score(batch)).logProbability).toEqual(found);
      for (const each of [merged, saved]) each.release();
      await expect(model.saveMerged(adapter, { base: 'x' } as object)).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
      });
    }));

  test('what is saved is what was loaded, as PEFT writes it', () =>
    withAdapted(recorded, async (model, { base, adapter }) => {
      const out = join(base, 'out');
      await model.save(out);
      const [before, after] = await Promise.all(
        [adapter, out].map((path) => openSafetensors(join(path, 'adapter_model.safetensors'))),
      );
      expect([...after!.tensors.keys()].sort()).toEqual([...before!.tensors.keys()].sort());
      for (const [name, { dtype, shape }] of before!.tensors) {
        expect(after!.tensors.get(name)).toMatchObject({ dtype, shape });
        expect(Buffer.compare(await after!.read(name), await before!.read(name))).toBe(0);
      }
      await Promise.all([before!.close(), after!.close()]);
      const written = JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8'));
      // What is not written PEFT takes as it had it, but for what counts in training alone.
      const { target_modules: targets, ...said } = written;
      expect({ ...recorded.config, base_model_name_or_path: base, lora_dropout: 0 }).toMatchObject(said);
      expect([...targets].sort()).toEqual(recorded.config.target_modules);
      const again = await TorchLM.load(out, one);
      expect((await again.score(batch)).logProbability).toEqual((await model.score(batch)).logProbability);
      again.release();
    }));

  // As in families.test.ts: twice the distance of PEFT to what is exact.
  test('in bfloat16, about as close as PEFT', () =>
    withAdapterFolder(recorded, async ({ adapter }) => {
      const model = await TorchLM.load(adapter, { ...one, dtype: 'bf16' });
      const { exact, transformers } = recorded.narrow;
      const pass = await model.nll(batch);
      expect(rootMeanSquare(pass.values, exact)).toBeLessThan(2 * rootMeanSquare(transformers, exact));
      await pass.backward(weights);
      expect(model.parameters.gradients.array.some((bits) => bits !== 0)).toBe(true);
      model.release();
    }));
});
