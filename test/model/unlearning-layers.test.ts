import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { elementCount } from '../../lib/core/shape.ts';
import { adapterConfig } from '../../lib/model/adapter/adapter-config.ts';
import { adapterLayout } from '../../lib/model/adapter/adapter-layout.ts';
import { fillFreshAdapters } from '../../lib/model/adapter/fresh-adapters.ts';
import { readUnlearningLayers, unlearningLayersJson } from '../../lib/model/adapter/unlearning-layers-file.ts';
import { parseModelConfig } from '../../lib/model/config.ts';

const model = parseModelConfig({
  ...{
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: 30,
    hidden_size: 24,
    num_hidden_layers: 3,
  },
  ...{ intermediate_size: 40, num_attention_heads: 4, max_position_embeddings: 64 },
});
const kind = 'unlearning-layers' as const;

describe('what unlearning layers are', () => {
  test('follows from the options, and by default from the width of the model', () => {
    expect(adapterConfig({ kind }, model)).toEqual({ kind, bottleneck: 2, activation: 'gelu' });
    const options = { kind, bottleneck: 7, activation: 'relu', seed: 3n } as const;
    expect(adapterConfig(options, model)).toEqual({ kind, bottleneck: 7, activation: 'relu' });
  });

  test.each<[object, RegExp]>([
    [{ kind: 'layers' }, /adapter\.kind must be 'lora' or 'unlearning-layers'/],
    [{ kind, bottleneck: 0 }, /adapter\.bottleneck must be an integer/],
    [{ kind, bottleneck: 20_000 }, /adapter\.bottleneck must be an integer/],
    [{ kind, bottleneck: '4' }, /adapter\.bottleneck must be an integer/],
    [{ kind, activation: 'tanh' }, /adapter\.activation must be 'gelu' or/],
    [{ kind, rank: 4 }, /rank/],
  ])('is refused where it is %j', (options, message) => {
    expect(() => adapterConfig(options as never, model)).toThrow(message);
  });

  test('has four parameters a layer, all D before all U', () => {
    const layout = adapterLayout(model, { kind, bottleneck: 5, activation: 'gelu' });
    const of = (part: string) => layout.get(`layers.2.unlearning_layer.${part}`);
    expect(of('down.weight')).toMatchObject({
      shape: [5, 24],
      group: 'matrix',
      factor: 'A',
      layer: 2,
      role: 'mlpOutput',
    });
    expect(of('down.bias')).toMatchObject({ shape: [5], group: 'vector' });
    expect(of('up.weight')).toMatchObject({ shape: [24, 5], group: 'matrix', factor: 'B' });
    expect(of('up.bias')).toMatchObject({ shape: [24], group: 'vector' });
    for (const bias of ['down.bias', 'up.bias']) expect(of(bias)).not.toHaveProperty('factor');
    const factors = [...layout].flatMap(([, { factor }]) => factor ?? []).join('');
    expect(factors).toBe('AAABBB');
    expect([...layout].length).toBe(3 * 4);
    expect(layout.parameterCount).toBe(3 * (2 * 5 * 24 + 5 + 24));
  });
});

describe('fresh unlearning layers', () => {
  const layout = adapterLayout({ ...model, hiddenSize: 400 }, { kind, bottleneck: 50, activation: 'gelu' });
  const drawn = async (seed: bigint) => {
    const values = FlatBuffer.alloc(layout.length);
    await values.fill(1);
    await fillFreshAdapters(kind, values, layout, seed);
    return values.array as Float32Array;
  };

  test('add nothing, and have small normal numbers within two standard deviations before that', async () => {
    const values = await drawn(4n);
    for (const [name, { offset, shape }] of layout) {
      const own = values.subarray(offset, offset + elementCount(shape));
      if (!name.endsWith('down.weight')) {
        expect([name, own.every((value) => value === 0)]).toEqual([name, true]);
        continue;
      }
      const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
      const spread = Math.sqrt(own.reduce((sum, value) => sum + value ** 2, 0) / own.length);
      // Of a normal number that is cut at two standard deviations: 0.8796 of one.
      expect(Math.abs(mean)).toBeLessThan(3e-4);
      expect(spread / 0.01).toBeGreaterThan(0.86);
      expect(spread / 0.01).toBeLessThan(0.9);
      expect(Math.max(...own.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.02));
      expect(Math.max(...own.map(Math.abs))).toBeGreaterThan(0.0198);
    }
  });

  test('are a function of the seed and the parameter', async () => {
    const [values, same, other] = [await drawn(4n), await drawn(4n), await drawn(5n)];
    expect(same).toEqual(values);
    expect(other).not.toEqual(values);
    const [first, second] = [0, 1].map((layer) => {
      const { offset } = layout.get(`layers.${layer}.unlearning_layer.down.weight`)!;
      return values.subarray(offset, offset + 100);
    });
    expect(first).not.toEqual(second);
  });

  test('end where they are cancelled', async () => {
    const values = FlatBuffer.alloc(layout.length);
    const signal = AbortSignal.abort('enough');
    await expect(fillFreshAdapters(kind, values, layout, 4n, { signal })).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
    });
  });
});

describe('unlearning_layers.json', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-layers-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const whole = { format: 1, kind, bottleneck: 3, activation: 'silu', base_model_name_or_path: '../model' };
  const read = async (content: unknown) => {
    await writeFile(join(folder, 'unlearning_layers.json'), JSON.stringify(content));
    return readUnlearningLayers(folder);
  };

  test.each(['../model', undefined])('gives back what was written, its base %p', async (base) => {
    const config = { kind, bottleneck: 3, activation: 'silu' } as const;
    expect(await read(unlearningLayersJson(config, base))).toEqual({ config, base });
  });

  test.each<[string, unknown, string, RegExp]>([
    ['a list', [], 'SOUL_BAD_FILE', /must be an object/],
    ['of another kind', { ...whole, kind: 'lora' }, 'SOUL_BAD_FILE', /kind must be 'unlearning-layers'/],
    ['of a later form', { ...whole, format: 2 }, 'SOUL_UNSUPPORTED', /format/],
    ['without a form', { ...whole, format: undefined }, 'SOUL_BAD_FILE', /format must be a positive integer/],
    ['without a width', { ...whole, bottleneck: null }, 'SOUL_BAD_FILE', /bottleneck must be a positive integer/],
    ['too wide', { ...whole, bottleneck: 2 ** 20 }, 'SOUL_BAD_FILE', /bottleneck must be at most/],
    ['of a text as width', { ...whole, bottleneck: '3' }, 'SOUL_BAD_FILE', /bottleneck must be a positive integer/],
    ['of another activation', { ...whole, activation: 'tanh' }, 'SOUL_BAD_FILE', /activation must be one of gelu/],
    ['of an object as activation', { ...whole, activation: {} }, 'SOUL_BAD_FILE', /activation must be one of gelu/],
    ['of a base that is no text', { ...whole, base_model_name_or_path: 3 }, 'SOUL_BAD_FILE', /base_model_name_or_path/],
    ['with more in it', { ...whole, scale: 2 }, 'SOUL_UNSUPPORTED', /scale/],
  ])('is refused where it is %s', async (_, content, code, message) => {
    await expect(read(content)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('is told to be missing', async () => {
    await expect(readUnlearningLayers(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });
});
