import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { parseModelConfig } from '../../lib/model/config.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import {
  draw,
  projectionError,
  type RecordedFamily,
  type RecordedVariant,
  recordedFamilies,
  variantConfig,
  variantTensors,
  withModelFolder,
} from './recorded-families.ts';
import { withPortableAttention } from './recorded-models.ts';

const one = { threads: 1 };

function farthest(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value)));
}

function rootMeanSquare(found: ArrayLike<number>, expected: readonly number[]): number {
  return Math.hypot(...expected.map((value, i) => found[i]! - value)) / Math.sqrt(expected.length);
}

/** What is not built is unsupported; what says less than it must is a bad file. */
function refusalOf(key: string): object {
  return { code: expect.stringMatching(/^SOUL_(UNSUPPORTED|BAD_FILE)$/), message: expect.stringContaining(key) };
}

async function withModel<Result>(
  { config, tensors }: Pick<RecordedFamily, 'config' | 'tensors'>,
  work: (model: TorchLM<'f32'>, folder: string) => Promise<Result>,
): Promise<Result> {
  return withModelFolder(config, tensors, async (folder) => {
    const model = await TorchLM.load(folder, one);
    try {
      return await work(model, folder);
    } finally {
      model.release();
    }
  });
}

async function losses(family: RecordedFamily, config: object, variant: RecordedVariant): Promise<Float32Array> {
  return withModelFolder({ ...config }, variantTensors(family, variant), async (folder) => {
    const model = await TorchLM.load(folder, one);
    const { logProbability } = await model.score(TokenBatch.of(family.sequences));
    model.release();
    return logProbability.map((value) => -value);
  });
}

describe('configurations of transformers 4 and 5', () => {
  test.each(recordedFamilies)('say the same of %s', (_, { config, configOlder }) => {
    const [newer, older] = [config, configOlder].map((each) => {
      const { source, written, ...read } = parseModelConfig(each);
      return read;
    });
    expect(older).toEqual(newer);
  });
});

describeWithEngine.each(recordedFamilies)('as transformers computes it: %s', (_, family) => {
  const batch = TokenBatch.of(family.sequences);
  const weights = Float32Array.from(draw('weights of labels', batch.labelCount));

  test('parameters have the names and shapes of the file', () =>
    withModel(family, async ({ parameters: { layout } }) => {
      const found = [...layout].map(([name, { shape }]) => [name, [...shape]]);
      expect(new Map(found as [string, number[]][])).toEqual(
        new Map(family.tensors.map(([name, s]) => [name, [...s]])),
      );
    }));

  test('nll and its gradients', () =>
    withModel(family, async (model) => {
      const pass = await model.nll(batch);
      expect(farthest(pass.values, family.nll)).toBeLessThan(1e-4);
      await pass.backward(weights);
      const { layout, gradients } = model.parameters;
      expect(projectionError(family, layout, gradients.array)).toBeLessThan(1e-3);
    }));

  test('accumulate', () =>
    withModel(family, async (model) => {
      expect(farthest(await model.accumulate(batch, weights), family.nll)).toBeLessThan(1e-4);
      const { layout, gradients } = model.parameters;
      expect(projectionError(family, layout, gradients.array)).toBeLessThan(1e-3);
    }));

  test('score', () =>
    withModel(family, async (model) => {
      const { logProbability } = await model.score(batch);
      expect(
        farthest(
          logProbability,
          family.nll.map((value) => -value),
        ),
      ).toBeLessThan(1e-4);
    }));

  test('greedy generation, all prompts at once and each alone', () =>
    withModel(family, async (model) => {
      const prompts = family.generated.map(({ prompt }) => prompt);
      const expected = family.generated.map(({ tokens }) => tokens);
      const options = { maxNewTokens: expected[0]!.length };
      expect(await model.generate(prompts, options)).toEqual(expected);
      for (const [i, prompt] of prompts.entries()) {
        expect(await model.generate([prompt], options)).toEqual([expected[i]]);
      }
    }));

  test('what is saved is what was loaded', () =>
    withModel(family, async (model, folder) => {
      const out = join(folder, 'out');
      await model.save(out);
      const [before, after] = await Promise.all(
        [folder, out].map((path) => openSafetensors(join(path, 'model.safetensors'))),
      );
      expect([...after!.tensors.keys()].sort()).toEqual([...before!.tensors.keys()].sort());
      for (const [name, { dtype, shape }] of before!.tensors) {
        expect(after!.tensors.get(name)).toMatchObject({ dtype, shape });
        expect(Buffer.compare(await after!.read(name), await before!.read(name))).toBe(0);
      }
      await Promise.all([before!.close(), after!.close()]);
      expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject(family.config);
      const again = await TorchLM.load(out, one);
      expect((await again.score(batch)).logProbability).toEqual((await model.score(batch)).logProbability);
      await again.save(join(folder, 'again'));
      const files = [out, join(folder, 'again')].map((path) => readFile(join(path, 'model.safetensors')));
      expect(Buffer.compare(...((await Promise.all(files)) as [Buffer, Buffer]))).toBe(0);
      again.release();
    }));

  // `exact` is of the same rounded weights, computed in float32, so its distance is what rounding between operations does. Another
  // order of operations rounds otherwise, but no more often: twice the distance of transformers, as root mean square.
  test('in bfloat16, about as close as transformers', () =>
    withModelFolder(family.config, family.tensors, async (folder) => {
      const model = await TorchLM.load(folder, { ...one, dtype: 'bf16' });
      const { exact, transformers } = family.narrow;
      const pass = await model.nll(batch);
      expect(rootMeanSquare(pass.values, exact)).toBeLessThan(2 * rootMeanSquare(transformers, exact));
      pass.release();
      model.release();
    }));

  test('configured as transformers 4 writes it', async () => {
    const found = await losses(family, family.configOlder, { name: 'older' });
    expect(farthest(found, family.nll)).toBeLessThan(1e-4);
  });

  test('by the attention of other devices', () =>
    withPortableAttention(() =>
      withModel(family, async (model) => {
        expect(farthest(await model.accumulate(batch, weights), family.nll)).toBeLessThan(1e-4);
        const { layout, gradients } = model.parameters;
        expect(projectionError(family, layout, gradients.array)).toBeLessThan(1e-3);
        const { prompt, tokens } = family.generated[0]!;
        expect(await model.generate([prompt], { maxNewTokens: tokens.length })).toEqual([tokens]);
      }),
    ));

  const variants = family.variants.map((variant): [string, RecordedVariant] => [
    `${variant.name}${variant.of === 'configOlder' ? ', as transformers 4 writes it' : ''}`,
    variant,
  ]);
  test.each(variants)('with another value: %s', async (_, variant) => {
    const computed = losses(family, variantConfig(family, variant), variant);
    if (variant.refused !== undefined) {
      await expect(computed).rejects.toMatchObject(refusalOf(variant.refused));
      return;
    }
    expect(farthest(await computed, variant.nll ?? family.nll)).toBeLessThan(1e-4);
  });
});

// transformers 5 takes no integer for these.
describeWithEngine('caps of whole numbers', () => {
  const capped = recordedFamilies.filter(([, { config }]) => Number.isInteger(config.final_logit_softcapping));

  test.each(capped)('are saved with a decimal point: %s', (_, { config, tensors }) =>
    withModelFolder(config, tensors, async (folder) => {
      const cap = `"final_logit_softcapping":${config.final_logit_softcapping}`;
      await writeFile(join(folder, 'config.json'), JSON.stringify(config).replace(cap, `${cap}.0`));
      const model = await TorchLM.load(folder, one);
      await model.save(join(folder, 'out'));
      model.release();
      const saved = await readFile(join(folder, 'out', 'config.json'), 'utf8');
      expect(saved.replaceAll(' ', '')).toContain(`${cap}.0`);
    }),
  );
});
