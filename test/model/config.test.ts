import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { huggingFaceConfig, parameterLayout, parseModelConfig, readModelConfig } from '../../lib/model/index.ts';
import { inverseFrequencies } from '../../lib/model/rope.ts';

const shape = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: true,
};
const llama3 = {
  factor: 32,
  high_freq_factor: 4,
  low_freq_factor: 1,
  original_max_position_embeddings: 8192,
  rope_type: 'llama3',
};
const four = { ...shape, rope_theta: 500000, rope_scaling: llama3, torch_dtype: 'bfloat16' };
const five = { ...shape, rope_parameters: { rope_theta: 500000, ...llama3 }, dtype: 'bfloat16' };

describe('config.json', () => {
  test('as transformers 4 and 5 write it is read as the same', () => {
    const { source: _4, written: _w4, ...old } = parseModelConfig(four);
    const { source: _5, written: _w5, ...current } = parseModelConfig(five);
    expect(old).toEqual(current);
    expect(current).toMatchObject({
      modelType: 'llama',
      architecture: 'LlamaForCausalLM',
      vocabularySize: 128256,
      hiddenSize: 2048,
      intermediateSize: 8192,
      layers: 16,
      heads: 32,
      keyValueHeads: 8,
      headSize: 64,
      maxPositions: 131072,
      norm: { kind: 'rms', epsilon: 1e-5 },
      ropes: [
        {
          theta: 500000,
          turned: 64,
          scaling: {
            type: 'llama3',
            factor: 32,
            lowFrequencyFactor: 1,
            highFrequencyFactor: 4,
            originalMaxPositions: 8192,
          },
        },
      ],
      tiedEmbeddings: true,
      initializerRange: 0.02,
    });
  });

  test('what is left out takes the defaults of transformers', () => {
    const { vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads } = shape;
    const sizes = { vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads };
    expect(parseModelConfig({ model_type: 'llama', rope_scaling: null, head_dim: null, ...sizes })).toMatchObject({
      keyValueHeads: 32,
      headSize: 64,
      maxPositions: 2048,
      norm: { kind: 'rms', epsilon: 1e-6 },
      ropes: [{ theta: 10000, scaling: { type: 'default' } }],
      tiedEmbeddings: false,
    });
  });

  test('linear scaling in its oldest form', () => {
    const config = parseModelConfig({ ...shape, rope_scaling: { type: 'linear', factor: 2 } });
    expect(config.ropes).toMatchObject([{ scaling: { type: 'linear', factor: 2 } }]);
  });

  // As LlamaConfig of transformers 5.24 reads both.
  test.each([
    [{ rope_type: 'linear', factor: 2 }, {}, 500000, { type: 'linear', factor: 2 }],
    [{ rope_type: 'default' }, { type: 'linear', factor: 4 }, 20000, { type: 'linear', factor: 4 }],
    [{ rope_type: 'linear', factor: 2 }, { rope_type: 'default', rope_theta: 30000 }, 30000, { type: 'default' }],
  ])('of %j and %j, rope_scaling counts where it says anything', (parameters, rope_scaling, theta, scaling) => {
    const rope = { rope_theta: 20000, rope_parameters: { rope_theta: 500000, ...parameters }, rope_scaling };
    const config = parseModelConfig({ ...shape, ...rope });
    expect(config.ropes).toMatchObject([{ theta, scaling }]);
    expect(parseModelConfig(huggingFaceConfig(config)).ropes).toMatchObject([{ theta, scaling }]);
  });

  test.each([four, five])('what is written is read as the same, and keeps what it does not know', (config) => {
    const written = huggingFaceConfig(parseModelConfig({ ...config, pad_token_id: 7, our_own: { note: 1 } }));
    const { source: _s1, written: _w1, ...again } = parseModelConfig(written);
    const { source: _s2, written: _w2, ...first } = parseModelConfig(config);
    expect(again).toEqual(first);
    expect(written).toMatchObject({
      pad_token_id: 7,
      our_own: { note: 1 },
      dtype: 'float32',
      torch_dtype: 'float32',
      rope_theta: 500000,
      rope_scaling: llama3,
      rope_parameters: { rope_theta: 500000, ...llama3 },
    });
  });

  test.each([
    [
      { architectures: ['BloomForCausalLM'], model_type: 'bloom' },
      /model_type bloom is not supported; supported: llama, /,
    ],
    [{ architectures: ['LlamaForSequenceClassification'] }, /LlamaForSequenceClassification/],
    [{ hidden_act: 'relu2' }, /hidden_act relu2/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 2 } }, /rope_type yarn/],
    [{ rope_parameters: { rope_type: 'dynamic', rope_theta: 1e4, factor: 2 } }, /rope_type dynamic/],
    [{ rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }, /partial_rotary_factor 0.5/],
    [{ partial_rotary_factor: 0.25 }, /partial_rotary_factor 0.25/],
    [{ model_type: undefined, architectures: null }, /architecture not named/],
    [{ quantization_config: { quant_method: 'gptq', bits: 4 } }, /quantization_config gptq/],
  ])('what is not supported is named: %j', (change, message) => {
    expect(() => parseModelConfig({ ...shape, ...change })).toThrow(
      expect.objectContaining({ code: 'SOUL_UNSUPPORTED', message: expect.stringMatching(message) }),
    );
  });

  test.each([
    [{ vocab_size: undefined }, /vocab_size/],
    [{ hidden_size: 0 }, /hidden_size/],
    [{ num_hidden_layers: 1.5 }, /num_hidden_layers/],
    [{ num_key_value_heads: 5 }, /num_key_value_heads must be a divisor of the 32/],
    [{ head_dim: 63 }, /head_dim must be even/],
    [{ rms_norm_eps: -1 }, /rms_norm_eps/],
    [{ rope_theta: '10000' }, /rope_theta/],
    [{ tie_word_embeddings: 'yes' }, /tie_word_embeddings/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/],
    [{ rope_scaling: { rope_type: 'linear' } }, /factor/],
    [{ rope_scaling: 'linear' }, /rope_scaling must be an object or null/],
    [{ rope_parameters: [1] }, /rope_parameters must be an object or null/],
    [{ num_key_value_heads: Number.POSITIVE_INFINITY }, /num_key_value_heads must be a positive integer/],
    // Without a type these would mean nothing to transformers, and be read as no scaling.
    [{ rope_scaling: { ...llama3, rope_type: undefined } }, /rope_scaling has factor but no rope_type/],
    [{ rope_scaling: { rope_type: null, type: null, factor: 4 } }, /rope_scaling has factor but no rope_type/],
    [
      { rope_scaling: { factor: 4 }, rope_parameters: { rope_type: 'default', rope_theta: 1e4 } },
      /rope_scaling has factor/,
    ],
    [{ rope_parameters: { full_attention: { rope_type: 'default' } } }, /rope_parameters has full_attention/],
    [{ rope_scaling: { rope_type: null, type: null, factor: 4 } }, /rope_scaling has factor but no rope_type/],
    [
      { rope_parameters: { rope_theta: 1e4, rope_type: null, factor: 4 } },
      /rope_parameters has factor but no rope_type/,
    ],
  ])('a number that cannot be is named: %j', (change, message) => {
    expect(() => parseModelConfig({ ...shape, ...change })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });

  test('rope_scaling stands in place of rope_parameters, as in transformers', () => {
    const rope_parameters = { rope_type: 'default', rope_theta: 5e5 };
    const both = { ...shape, rope_parameters, rope_theta: 5e5 };
    const scaled = parseModelConfig({ ...both, rope_scaling: { type: 'linear', factor: 4 } });
    expect(scaled.ropes).toMatchObject([{ theta: 5e5, scaling: { type: 'linear', factor: 4 } }]);
    const { source: _, written: _w, ...again } = parseModelConfig(huggingFaceConfig(scaled));
    expect(scaled).toMatchObject(again);
    const other = { ...both, rope_parameters: { ...rope_parameters, rope_type: 'linear', factor: 2 } };
    const scalingOf = (rope_scaling: object) => parseModelConfig({ ...other, rope_scaling }).ropes[0]!.scaling;
    expect(scalingOf({ rope_type: 'default' })).toEqual({ type: 'default' });
    expect(scalingOf({})).toEqual({ type: 'linear', factor: 2 });
  });

  test.each([['LLaMAForCausalLM'], ['LlamaModel'], ['MyLlamaForCausalLM'], [], undefined])(
    'model_type llama decides beside architecture %j, as in transformers',
    (name) => {
      const config = parseModelConfig({ ...shape, architectures: name === undefined ? undefined : [name].flat() });
      expect(huggingFaceConfig(config)).toMatchObject({ architectures: ['LlamaForCausalLM'], model_type: 'llama' });
    },
  );

  test.each([
    [
      { rope_theta: 1e4, rope_scaling: { type: 'linear', factor: 4 } },
      { type: 'linear', factor: 4 },
    ],
    [
      { rope_parameters: { rope_theta: 1e4, type: 'linear', factor: 4 } },
      { type: 'linear', rope_type: 'linear', factor: 4 },
    ],
    [{ rope_scaling: { rope_type: 'default' } }, { rope_type: 'default' }],
    [{ rope_scaling: null }, null],
  ])('rope_scaling is kept as it was read, or written for transformers 4: %j', (change, kept) => {
    expect(huggingFaceConfig(parseModelConfig({ ...shape, ...change })).rope_scaling).toEqual(kept);
  });

  test("numbers of Python's that JSON has not are read in keys that nobody needs, and kept", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
    await writeFile(
      join(folder, 'config.json'),
      `${JSON.stringify(shape).slice(0, -1)}, "limit": [-Infinity, Infinity], "none": NaN}`,
    );
    const config = await readModelConfig(folder);
    expect(huggingFaceConfig(config)).toMatchObject({ limit: [-Infinity, Infinity], none: Number.NaN });
    await rm(folder, { recursive: true });
  });

  test('in a key that is read they are refused by its name, not taken as absent', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
    const read = [
      ...['model_type', 'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads'],
      ...['num_key_value_heads', 'head_dim', 'max_position_embeddings', 'rms_norm_eps', 'hidden_act'],
      ...['tie_word_embeddings', 'attention_bias', 'mlp_bias', 'rope_theta', 'rope_scaling', 'initializer_range'],
    ];
    for (const key of read) {
      for (const number of ['NaN', 'Infinity', '-Infinity']) {
        const entries = Object.entries(shape).filter(([name]) => name !== key);
        const text = JSON.stringify(Object.fromEntries(entries));
        await writeFile(join(folder, 'config.json'), `${text.slice(0, -1)}, "${key}": ${number}}`);
        await expect(readModelConfig(folder)).rejects.toThrow(new RegExp(`${key}.* ${number}`));
      }
    }
    await rm(folder, { recursive: true });
  });

  test('a file that is missing or damaged', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
    await expect(readModelConfig(folder)).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n';
    for (const text of ['{', '[]', '{"model_type": "llama", "vocab_size": "many"}', pointer]) {
      await writeFile(join(folder, 'config.json'), text);
      await expect(readModelConfig(folder)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
    }
    await expect(readModelConfig(folder)).rejects.toThrow(/config\.json is the pointer of Git LFS.*git lfs pull/);
    await rm(folder, { recursive: true });
  });
});

describe('what follows from the config', () => {
  test('the number of parameters of Llama 3.2 1B', () => {
    expect(parameterLayout(parseModelConfig(four)).parameterCount).toBe(1_235_814_400);
  });

  test('frequencies of rotary embeddings', () => {
    const plain = { turned: 8, theta: 10000, scaling: { type: 'default' } } as const;
    expect([...inverseFrequencies(plain)]).toEqual([1, 0.1, 0.01, 0.001].map(Math.fround));
    const linear = { ...plain, scaling: { type: 'linear', factor: 4 } } as const;
    expect([...inverseFrequencies(linear)]).toEqual([0.25, 0.025, 0.0025, 0.00025].map(Math.fround));
  });

  test("Llama 3's frequencies: short wavelengths kept, long ones divided, those between in order", () => {
    const plain = inverseFrequencies({ turned: 64, theta: 500000, scaling: { type: 'default' } });
    const scaled = inverseFrequencies(parseModelConfig(four).ropes[0]!);
    for (const [i, frequency] of plain.entries()) {
      const wavelength = (2 * Math.PI) / frequency;
      if (wavelength < 8192 / 4) expect(scaled[i]).toBe(frequency);
      else if (wavelength > 8192) expect(scaled[i]! * 32).toBeCloseTo(frequency, 10);
      else expect(scaled[i]! / frequency).toBeGreaterThan(1 / 32);
      if (i > 0) expect(scaled[i]).toBeLessThan(scaled[i - 1]!);
    }
  });
});
