import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SoulError } from '../../lib/core/errors.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type SafetensorsSource, writeSafetensors } from '../../lib/core/safetensors.ts';
import { type ParameterLayout, readCheckpoint } from '../../lib/model/index.ts';
import { addForeignTensor, configOf, sourcesOf, tied, untied, valuesFor } from './small-checkpoint.ts';

const embedding = 'model.embed_tokens.weight';
const head = 'lm_head.weight';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

const single = () => join(folder, 'model.safetensors');

/** Asserts that the weights are those of `layout`, and returns the notes without the folder. */
async function notesOf(layout: ParameterLayout): Promise<string[]> {
  const values = FlatBuffer.alloc(layout.length);
  const notes: string[] = [];
  await readCheckpoint(folder, configOf(layout), values, { onNote: (note) => notes.push(note) });
  expect([...values.array]).toEqual([...valuesFor(layout)]);
  expect(notes.every((note) => note.startsWith(`${folder}: `))).toBe(true);
  return notes.map((note) => note.slice(folder.length + 2));
}

async function refusal(layout: ParameterLayout): Promise<{ message: string; problems: string[] }> {
  const error = await readCheckpoint(folder, configOf(layout), FlatBuffer.alloc(layout.length)).then(
    () => undefined,
    (caught: SoulError) => caught,
  );
  expect(error).toMatchObject({ code: 'SOUL_BAD_FILE' });
  return { message: error!.message, problems: error!.details.problems as string[] };
}

const renamed = (layout: ParameterLayout, rename: (name: string) => string) =>
  sourcesOf(layout).map((source) => ({ ...source, name: rename(source.name) }));
const floats = (name: string): SafetensorsSource => ({ name, dtype: 'F32', shape: [2], data: new Float32Array(2) });

describe('names of what a model was wrapped in', () => {
  test.each(['module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.', '_fsdp_wrapped_module.'])(
    '%s before every name is left out, and named once',
    async (prefix) => {
      for (const layout of [tied, untied]) {
        await writeSafetensors(
          single(),
          renamed(layout, (name) => prefix + name),
        );
        expect(await notesOf(layout)).toEqual([
          `every name begins with ${prefix}, from a wrapper that the model was saved in; read without it`,
        ]);
      }
    },
  );

  test('around a part of the model', async () => {
    await writeSafetensors(
      single(),
      renamed(untied, (name) =>
        name.replace('model.', 'model._orig_mod.').replace(/layers\.1\./, 'layers.1._checkpoint_wrapped_module.'),
      ),
    );
    expect(await notesOf(untied)).toEqual([
      '20 of 21 names have _orig_mod. or _checkpoint_wrapped_module. within, from a wrapper that the model was saved in; read without it',
    ]);
  });

  test('computed buffers and markers do not hide that it is before every name', async () => {
    await writeSafetensors(single(), [
      ...renamed(untied, (name) => `module.${name}`),
      floats('module.model.rotary_emb.inv_freq'),
    ]);
    expect(await notesOf(untied)).toEqual([
      expect.stringMatching(/^every name begins with module\./),
      'not read, since the model computes it: module.model.rotary_emb.inv_freq',
    ]);
  });

  // transformers 5 takes all three.
  test.each<[string, (name: string) => string, string]>([
    ['model. absent', (name) => name.replace('model.', ''), 'embed_tokens.weight is read for'],
    ['model. twice', (name) => `model.${name}`, 'model.model.embed_tokens.weight is read for'],
    ['model. absent, in a wrapper', (name) => name.replace('model.', 'module.'), 'module.embed_tokens.weight is read'],
  ])('%s', async (_, rename, note) => {
    await writeSafetensors(single(), renamed(tied, rename));
    expect((await notesOf(tied)).at(-1)).toContain(note);
  });

  test.each<[string, (name: string) => string, string]>([
    ['before every name', (name) => `base_model.model.${name}`, 'every name begins with base_model.model.: rename'],
    ['in place of model.', (name) => name.replace('model.', 'gpt.'), 'most names begin with gpt. in place of model.: '],
  ])('another prefix %s is named once, with the way out', async (_, rename, problem) => {
    await writeSafetensors(single(), renamed(untied, rename));
    const { problems, message } = await refusal(untied);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(message).toContain('save the language model itself');
    expect(message).not.toContain('missing');
  });

  test('two tensors for one weight: both are named', async () => {
    const [first] = sourcesOf(untied);
    await writeSafetensors(single(), [...sourcesOf(untied), { ...first!, name: `module.${first!.name}` }]);
    const { problems } = await refusal(untied);
    expect(problems).toEqual([
      `${embedding} is there twice, as ${embedding} in model.safetensors and as module.${embedding} in model.safetensors: take one of them out`,
    ]);
  });
});

describe('tensors that are no weights', () => {
  const foreign: [string, { dtype: string; shape: number[]; byteLength: number }][] = [
    ['scaled_fp8', { dtype: 'F8_E4M3', shape: [0], byteLength: 0 }],
    ['steps', { dtype: 'U32', shape: [1], byteLength: 4 }],
    ['freqs_cis', { dtype: 'C64', shape: [2], byteLength: 16 }],
    ['mark', { dtype: 'unheard of', shape: [3], byteLength: 1 }],
  ];
  test.each(foreign)('%s is not read, and named', async (name, tensor) => {
    await writeSafetensors(single(), sourcesOf(tied));
    await addForeignTensor(single(), name, tensor);
    expect(await notesOf(tied)).toEqual([
      `not read, since it is no parameter: ${name} (${tensor.dtype} [${tensor.shape}])`,
    ]);
  });

  test('what is computed from config.json is not read, in any number', async () => {
    const names = ['inv_freq', 'cos_cached', 'sin_cached'].flatMap((name) =>
      [0, 1].map((layer) => `model.layers.${layer}.self_attn.rotary_emb.${name}`),
    );
    await writeSafetensors(single(), [...sourcesOf(tied), ...names.map(floats)]);
    expect(await notesOf(tied)).toEqual([
      `not read, since the model computes it: ${names.slice(0, 3).join(', ')}, and 3 more`,
    ]);
  });

  test.each([
    ['model.layers.2.mlp.up_proj.weight', { dtype: 'I8', shape: [4], byteLength: 4 }],
    ['model.layers.0.mlp.up_proj.scale', { dtype: 'F8_E8M0', shape: [4], byteLength: 4 }],
  ])('a further weight is refused whatever its type: %s', async (name, tensor) => {
    await writeSafetensors(single(), sourcesOf(tied));
    await addForeignTensor(single(), name, tensor);
    const { problems, message } = await refusal(tied);
    expect(problems).toEqual([`${name} is not part of this model`]);
    expect(message).toContain('config.json the one that belongs to them');
  });

  test('quantised weights are named as such before their scales', async () => {
    const [first, ...rest] = sourcesOf(tied);
    await writeSafetensors(single(), [...rest, floats('model.embed_tokens.weight_scale')]);
    const { shape } = first!;
    await addForeignTensor(single(), embedding, { dtype: 'F8_E4M3', shape: [...shape], byteLength: 80 });
    await expect(readCheckpoint(folder, configOf(tied), FlatBuffer.alloc(tied.length))).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: `${folder}: ${embedding} is F8_E4M3; weights are read from F32, BF16 and F16: convert the model to one of them, or get it unquantised`,
    });
  });
});

describe('embedding and output layer', () => {
  test('a tied model whose file has the output layer alone', async () => {
    await writeSafetensors(
      single(),
      renamed(tied, (name) => (name === embedding ? head : name)),
    );
    expect(await notesOf(tied)).toEqual([
      `there is no ${embedding}; ${head} is read for it, since config.json ties the two (tie_word_embeddings)`,
    ]);
  });

  test('a tied model whose output layer differs: both ways out', async () => {
    const [first] = sourcesOf(tied);
    const other = { ...first!, name: head, data: (first!.data as Float32Array).map((value) => value + 1) };
    await writeSafetensors(single(), [...sourcesOf(tied), other]);
    const { message } = await refusal(tied);
    expect(message).toContain(`${head} differs from ${embedding}, though config.json ties them`);
    expect(message).toContain('set that to false there to use both, or take lm_head.weight out');
    await writeSafetensors(single(), [...sourcesOf(tied), { ...other, shape: [8, 10] }]);
    expect((await refusal(tied)).problems).toEqual([`${head} has shape [8,10], but config.json gives [10,8]`]);
  });

  test.each([
    [head, embedding],
    [embedding, head],
  ])('an untied model without %s', async (absent) => {
    await writeSafetensors(
      single(),
      sourcesOf(untied).filter(({ name }) => name !== absent),
    );
    expect((await refusal(untied)).problems).toEqual([
      `${absent} is missing: if the output layer is the embedding, set tie_word_embeddings to true in config.json; if not, the files are incomplete`,
    ]);
  });
});

describe('shards', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  async function writeShards(first: SafetensorsSource[], second: SafetensorsSource[]): Promise<void> {
    await writeSafetensors(join(folder, shards[0]), first);
    await writeSafetensors(join(folder, shards[1]), second);
    const weight_map = Object.fromEntries(sourcesOf(untied).map(({ name }, i) => [name, shards[i < 9 ? 0 : 1]]));
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  }

  test('one that lacks what the index says is in it', async () => {
    const sources = sourcesOf(untied);
    await writeShards(sources.slice(0, 9), sources.slice(10));
    expect((await refusal(untied)).problems).toEqual([
      `${sources[9]!.name} is missing: by the index it is in ${shards[1]}; get that file again`,
    ]);
  });

  test('every weight that is in two of them is named', async () => {
    const sources = sourcesOf(untied);
    await writeShards(sources.slice(0, 11), sources.slice(9));
    expect((await refusal(untied)).problems).toEqual(
      [9, 10].map((i) => {
        const { name } = sources[i]!;
        return `${name} is there twice, as ${name} in ${shards[0]} and as ${name} in ${shards[1]}: take one of them out`;
      }),
    );
  });
});
