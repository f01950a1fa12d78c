import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { type LoadOptions, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { captureGrams } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedBottlenecks, withBottleneckFolder } from './recorded-bottlenecks.ts';
import { draw, projectionError, withModelFolder } from './recorded-families.ts';

const one = { threads: 1 };

function farthest(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(found[i]! - value)));
}

describeWithEngine.each(recordedBottlenecks)(
  'unlearning layers as transformers computes them with hooks: %s',
  (...named) => {
    const [, recorded, family] = named;
    const batch = TokenBatch.of(family.sequences);
    const weights = Float32Array.from(draw('weights of labels', batch.labelCount));

    const withLayers = (
      work: (model: TorchLM<'f32'>, folder: string) => Promise<void>,
      options: LoadOptions<'f32'> = {},
    ): Promise<void> =>
      withBottleneckFolder(named, async (folder) => {
        const model = await TorchLM.load(folder, { ...one, ...options });
        try {
          await work(model, folder);
        } finally {
          model.release();
        }
      });

    test('show in the losses', () => expect(recorded.moved).toBeGreaterThan(1));

    test.each([
      ['kept', {}],
      ['computed again', { checkpointActivations: true }],
    ])('nll and its gradients, activations %s; the base keeps its bits', (_, options) =>
      withLayers(async (model) => {
        const base = (await model.base!.values.toFloat32Array()).slice();
        const pass = await model.nll(batch);
        expect(farthest(pass.values, recorded.nll)).toBeLessThan(1e-4);
        await pass.backward(weights);
        const { layout, gradients } = model.parameters;
        expect(projectionError(recorded, layout, gradients.array as Float32Array)).toBeLessThan(1e-3);
        expect(await model.base!.values.toFloat32Array()).toEqual(base);
      }, options),
    );

    test('accumulate and score say the same', () =>
      withLayers(async (model) => {
        expect(farthest(await model.accumulate(batch, weights), recorded.nll)).toBeLessThan(1e-4);
        const { layout, gradients } = model.parameters;
        expect(projectionError(recorded, layout, gradients.array as Float32Array)).toBeLessThan(1e-3);
        const { logProbability } = await model.score(batch);
        expect(
          farthest(
            logProbability.map((value) => -value),
            recorded.nll,
          ),
        ).toBeLessThan(1e-4);
      }));

    test.each([1, 2, 8])('what enters them is summed to Gram matrices, %i sequences at a time', (microBatchSize) =>
      withLayers(async (model) => {
        const grams = await captureGrams(model, family.sequences, { microBatchSize });
        expect([...grams.keys()].sort()).toEqual(Object.keys(recorded.grams).sort());
        for (const [name, [trace, ...projections]] of Object.entries(recorded.grams)) {
          const { inputs, triangle } = grams.get(name)!;
          const diagonal = Array.from({ length: inputs }, (_, i) => triangle[(i * (i + 3)) / 2]!);
          const error = (found: number, expected: number) => Math.abs(found - expected) / trace;
          expect(
            error(
              diagonal.reduce((sum, value) => sum + value, 0),
              trace,
            ),
          ).toBeLessThan(1e-5);
          for (const [i, expected] of projections.entries()) {
            const signs = draw(`projection ${i} of the inputs of ${name}`, triangle.length);
            const found = triangle.reduce((sum, value, at) => sum + (signs[at]! < 0 ? -value : value), 0);
            expect(error(found, expected)).toBeLessThan(1e-4);
          }
        }
      }),
    );

    test('generation goes the way of the scores', () =>
      withLayers(async (model) => {
        const prompt = family.sequences[0]!.tokens.slice(0, 3);
        const [generated] = await model.generate([prompt], { maxNewTokens: 5 });
        const tokens = [...prompt, ...generated!];
        const { isArgmax } = await model.score(TokenBatch.of([{ tokens, labelsFrom: prompt.length }]));
        expect([...isArgmax]).toEqual(Array.from(generated!, () => 1));
      }));

    test('in bfloat16 they are off by what its rounding does to the model without them', () =>
      withBottleneckFolder(named, async (folder) => {
        const model = await TorchLM.load(folder, { ...one, dtype: 'bf16' });
        const rounding = farthest(family.narrow.transformers, family.narrow.exact);
        expect(farthest((await model.nll(batch)).values, recorded.nll)).toBeLessThan(2 * rounding);
        const grams = await captureGrams(model, family.sequences);
        for (const [name, [trace]] of Object.entries(recorded.grams)) {
          const { inputs, triangle } = grams.get(name)!;
          const diagonal = Array.from({ length: inputs }, (_, i) => triangle[(i * (i + 3)) / 2]!);
          expect(Math.abs(diagonal.reduce((sum, value) => sum + value, 0) / trace - 1)).toBeLessThan(0.03);
        }
        model.release();
      }));

    test('what is saved is what was loaded, and a fork has it too', () =>
      withLayers(async (model, folder) => {
        const out = join(folder, 'out');
        await model.save(out, { base: '../..' });
        expect((await readdir(out)).sort()).toEqual(['unlearning_layers.json', 'unlearning_layers.safetensors']);
        const said = JSON.parse(await readFile(join(out, 'unlearning_layers.json'), 'utf8'));
        expect(said).toMatchObject({ bottleneck: recorded.bottleneck, activation: recorded.activation });
        const files = await Promise.all(
          [folder, out].map((at) => openSafetensors(join(at, 'unlearning_layers.safetensors'))),
        );
        for (const name of files[0]!.tensors.keys())
          expect(await files[1]!.read(name)).toEqual(await files[0]!.read(name));
        for (const file of files) await file.close();
        const again = await TorchLM.load(out, one);
        const fork = await model.fork();
        for (const other of [again, fork]) {
          expect((await other.nll(batch)).values).toEqual((await model.nll(batch)).values);
          other.release();
        }
      }));
  },
);

describeWithEngine('fresh unlearning layers', () => {
  const [, , family] = recordedBottlenecks[0]!;
  const adapter = { kind: 'unlearning-layers', bottleneck: 4, activation: 'gelu' } as const;
  const withFresh = <Result>(work: (model: TorchLM<'f32'>, base: string) => Promise<Result>) =>
    withModelFolder(family.config, family.tensors, async (base) => {
      const model = await TorchLM.load(base, { ...one, adapter });
      try {
        return await work(model, base);
      } finally {
        model.release();
      }
    });
  const batch = TokenBatch.of(family.sequences);
  const mean = new Float32Array(batch.labelCount).fill(1 / batch.labelCount);

  test('leave the model as it is; D has no gradient before U has moved, and then all move', () =>
    withFresh(async (model) => {
      expect(farthest((await model.nll(batch)).values, family.nll)).toBeLessThan(1e-4);
      await model.accumulate(batch, mean);
      const { layout, gradients, values } = model.parameters;
      const sizes = () =>
        [...layout].map(([name, { offset, shape }]) => {
          const size = shape.reduce((a, b) => a * b, 1);
          return [name, Math.hypot(...gradients.array.subarray(offset, offset + size))] as const;
        });
      for (const [name, size] of sizes()) expect([name, size > 0]).toEqual([name, /\.up\./.test(name)]);
      const start = (await values.toFloat32Array()).slice();
      const optimizer = new AdamW(model.parameters, { learningRate: 0.01 });
      for (let step = 0; step < 2; step++) {
        if (step > 0) await model.accumulate(batch, mean);
        await optimizer.step({ zeroGradients: true });
      }
      const after = await values.toFloat32Array();
      for (const [name, { offset, shape }] of layout) {
        const size = shape.reduce((a, b) => a * b, 1);
        expect([name, after.subarray(offset, offset + size).every((value, i) => value !== start[offset + i])]).toEqual([
          name,
          true,
        ]);
      }
      const moved = await model.score(batch);
      expect(moved.logProbability.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(
        -family.nll.reduce((sum, value) => sum + value, 0),
      );
      await optimizer.release();
    }));

  test('are asked for their inputs alone where there are some, and end where they are cancelled', () =>
    withFresh(async (model, base) => {
      const whole = await TorchLM.load(base, one);
      await expect(whole.bottleneckInputs(batch)).rejects.toMatchObject({ code: 'SOUL_UNSUPPORTED' });
      whole.release();
      const signal = AbortSignal.abort('enough');
      await expect(model.bottleneckInputs(batch, { signal })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      model.release();
      await expect(model.bottleneckInputs(batch)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    }));

  test('cannot be merged, and say why', () =>
    withFresh(async (model, base) => {
      const refusal = {
        code: 'SOUL_UNSUPPORTED',
        message: expect.stringMatching(/unlearning layers cannot be merged/),
      };
      await expect(model.merged()).rejects.toMatchObject(refusal);
      await expect(model.saveMerged(join(base, 'out'))).rejects.toMatchObject(refusal);
    }));

  test('that do not fit the model are refused by their files', () =>
    withFresh(async (model, base) => {
      const folder = join(base, 'layers');
      await model.save(folder);
      const refused = async (code: string, message: RegExp) =>
        expect(TorchLM.load(folder, one)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      const path = join(folder, 'unlearning_layers.json');
      const said = await readFile(path, 'utf8');
      await writeFile(path, said.replace('"bottleneck": 4', '"bottleneck": 5'));
      await refused(
        'SOUL_BAD_FILE',
        /has shape \[4,\s?\d+\], but the base, with the bottleneck in unlearning_layers\.json/,
      );
      await writeFile(path, said);
      await writeFile(join(folder, 'adapter_config.json'), '{}');
      await refused('SOUL_BAD_FILE', /has both adapter_config\.json and unlearning_layers\.json/);
      await rm(join(folder, 'adapter_config.json'));
      await rm(join(folder, 'unlearning_layers.safetensors'));
      await refused('SOUL_NOT_FOUND', /lacks the weights of its adapters/);
    }));

  test('do not replace adapters of another kind', () =>
    withFresh(async (model, base) => {
      const lora = await TorchLM.load(base, { ...one, adapter: { kind: 'lora', rank: 2 } });
      const folder = join(base, 'adapters');
      await lora.save(folder);
      lora.release();
      for (const overwrite of [false, true]) {
        await expect(model.save(folder, { overwrite })).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
      }
    }));
});
