import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';
import { writeAdapterFolder } from '../../lib/model/adapter/adapter-folder.ts';
import { openAdapterWeights } from '../../lib/model/adapter/adapter-weights.ts';
import {
  bottleneckNames,
  type UnlearningLayersConfig,
  unlearningLayersLayout,
} from '../../lib/model/adapter/unlearning-layers.ts';
import { readUnlearningLayers } from '../../lib/model/adapter/unlearning-layers-file.ts';
import { parseModelConfig } from '../../lib/model/config.ts';
import { fuseUnlearningLayers, type LayersPart } from '../../lib/unlearn/fusion/fuse-layers.ts';
import { addInputs, emptyGram, type Gram } from '../../lib/unlearn/fusion/gram.ts';
import { readGrams, writeGrams } from '../../lib/unlearn/fusion/gram-file.ts';
import { captured } from './captured.ts';

const source = {
  ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: 30, hidden_size: 8, num_hidden_layers: 2 },
  ...{ intermediate_size: 12, num_attention_heads: 2, max_position_embeddings: 64 },
};
const model = parseModelConfig(source);
const config = { kind: 'unlearning-layers', bottleneck: 3, activation: 'relu' } as const;
const layout = unlearningLayersLayout(model, config);

function numbers(name: string, length: number): Float64Array {
  const stream = randomStream(5n, name);
  return Float64Array.from({ length }, (_, i) => 2 * stream.uniform(0, i) - 1);
}

function part(name: string, of: UnlearningLayersConfig = config): LayersPart {
  const own = unlearningLayersLayout(model, of);
  const grams = new Map<string, Gram>();
  for (const layer of [0, 1]) {
    const { down, up } = bottleneckNames(layer);
    for (const matrix of [down, up]) {
      const gram = emptyGram(own.get(matrix)!.shape[1]! + 1);
      addInputs(gram, numbers(`${name} ${matrix}`, 30 * gram.inputs));
      grams.set(matrix, gram);
    }
  }
  const values = new Float32Array(own.length);
  for (const [tensor, { offset, shape }] of own) {
    values.set(
      numbers(
        `${name} ${tensor}`,
        shape.reduce((a, b) => a * b, 1),
      ),
      offset,
    );
  }
  return { values, grams };
}

describe('soul fuse', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-fuse-'));
    for (const name of ['model', 'other']) {
      await mkdir(at(name));
      await writeFile(join(at(name), 'config.json'), JSON.stringify(source));
    }
    for (const name of ['a', 'b', 'c']) await write(name);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  beforeEach(() => rm(at('out'), { recursive: true, force: true }));

  async function write(name: string, of: UnlearningLayersConfig = config, base = at('model')): Promise<void> {
    const { values, grams } = part(name, of);
    await writeAdapterFolder(at(name), model, of, FlatBuffer.from(values), { base });
    await writeGrams(join(at(name), 'gram_matrices.safetensors'), grams);
  }

  async function read(name: string): Promise<Float32Array> {
    const file = await openAdapterWeights(at(name), layout, 'unlearning_layers.safetensors');
    const values = new Float32Array(layout.length);
    await file.readInto(FlatBuffer.from(values));
    await file.close();
    return values;
  }

  const fuse = (...words: string[]) => captured('fuse', ...words, '--quiet');
  const error = ({ out }: { out: string }) => JSON.parse(out).error;

  test('writes what the library computes, and sums of the matrices, for the same model', async () => {
    const { code, out } = await fuse(at('a'), at('b'), '--out', at('out'), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ out: at('out'), base: at('model'), layers: 2, bottleneck: 3 });
    expect((await readdir(at('out'))).sort()).toEqual([
      'gram_matrices.safetensors',
      'unlearning_layers.json',
      'unlearning_layers.safetensors',
    ]);
    expect(await readUnlearningLayers(at('out'))).toEqual({ config, base: at('model') });
    expect(await read('out')).toEqual(await fuseUnlearningLayers(layout, [part('a'), part('b')]));
    const grams = await readGrams(join(at('out'), 'gram_matrices.safetensors'));
    for (const [name, { triangle }] of part('a').grams) {
      expect(grams.get(name)!.triangle).toEqual(
        triangle.map((value, i) => value + part('b').grams.get(name)!.triangle[i]!),
      );
    }
  });

  test('one after another comes to what all at once do', async () => {
    expect((await fuse(at('a'), at('b'), '--out', at('first'), '--ridge', '0')).code).toBe(0);
    expect((await fuse(at('first'), at('c'), '--out', at('out'), '--ridge', '0')).code).toBe(0);
    const sequential = await read('out');
    expect((await fuse(at('a'), at('b'), at('c'), '--out', at('out'), '--ridge', '0', '--overwrite')).code).toBe(0);
    for (const [i, value] of (await read('out')).entries()) expect(sequential[i]).toBeCloseTo(value, 4);
  });

  test.each<[string, () => Promise<string[]>, string, RegExp]>([
    ['one folder', async () => [at('a')], 'SOUL_INVALID_ARGUMENT', /at least two folders/],
    ['a folder that is none', async () => [at('a'), at('model')], 'SOUL_NOT_FOUND', /has no unlearning_layers\.json/],
    [
      'a folder that is not there',
      async () => [at('a'), at('nowhere')],
      'SOUL_NOT_FOUND',
      /has no unlearning_layers\.json/,
    ],
    [
      'layers of another width',
      async () => {
        await write('wide', { ...config, bottleneck: 4 });
        return [at('a'), at('wide')];
      },
      'SOUL_INVALID_ARGUMENT',
      /a bottleneck of 4 with relu, but .* of 3 with relu; only layers of one form/,
    ],
    [
      'layers of another model',
      async () => {
        await write('foreign', config, at('other'));
        return [at('a'), at('foreign')];
      },
      'SOUL_INVALID_ARGUMENT',
      /belongs to the model .*other, but .*a to .*model; layers of one model are fused/,
    ],
    [
      'layers without matrices',
      async () => {
        await write('bare');
        await rm(join(at('bare'), 'gram_matrices.safetensors'));
        return [at('a'), at('bare')];
      },
      'SOUL_NOT_FOUND',
      /bare has no gram_matrices\.safetensors/,
    ],
    [
      'matrices of something else',
      async () => {
        await write('lacking');
        await writeGrams(join(at('lacking'), 'gram_matrices.safetensors'), new Map([['x', emptyGram(2)]]));
        return [at('a'), at('lacking')];
      },
      'SOUL_BAD_FILE',
      /does not fit the layers beside it: the matrix of layers\.0\S+ is missing/,
    ],
  ])('refuses %s, and writes nothing', async (_, folders, code, message) => {
    const outcome = await fuse(...(await folders()), '--out', at('out'), '--json');
    expect(outcome.code).toBe(2);
    expect(error(outcome)).toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(readdir(at('out'))).rejects.toThrow();
  });

  test('names the file of a folder that names no base', async () => {
    const { values } = part('homeless');
    await writeAdapterFolder(at('homeless'), model, config, FlatBuffer.from(values), {});
    const outcome = await fuse(at('a'), at('homeless'), '--out', at('out'), '--json');
    expect(error(outcome)).toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(
        /homeless names no base \(base_model_name_or_path in its unlearning_layers\.json\)/,
      ),
    });
  });

  test('takes copies of a model for one where the base is given', async () => {
    await write('copied', config, at('other'));
    expect((await fuse(at('a'), at('copied'), '--out', at('out'), '--base', at('model'))).code).toBe(0);
  });

  test('leaves what is in the out folder, or among what it fuses', async () => {
    expect((await fuse(at('a'), at('b'), '--out', at('out'))).code).toBe(0);
    const again = await fuse(at('a'), at('c'), '--out', at('out'), '--json');
    expect(error(again)).toMatchObject({ code: 'SOUL_EXISTS' });
    expect(await read('out')).toEqual(await fuseUnlearningLayers(layout, [part('a'), part('b')]));
    expect((await fuse(at('a'), at('c'), '--out', at('out'), '--overwrite')).code).toBe(0);
    const own = await fuse(at('a'), at('c'), '--out', at('a'), '--overwrite', '--json');
    expect(error(own).message).toMatch(/out must be another folder/);
    await symlink(at('a'), at('linked'));
    const linked = await fuse(at('a'), at('c'), '--out', at('linked'), '--overwrite', '--json');
    expect(error(linked).message).toMatch(/out must be another folder/);
    const twice = await fuse(at('a'), at('c'), at('linked'), '--out', at('out'), '--overwrite', '--json');
    expect(error(twice).message).toMatch(/folders must be each folder once/);
    await write('recorded');
    await writeFile(join(at('recorded'), 'run.json'), '{}');
    const recorded = await fuse(at('a'), at('c'), '--out', at('recorded'), '--overwrite', '--json');
    expect(error(recorded)).toMatchObject({ code: 'SOUL_EXISTS', message: expect.stringMatching(/made by a run/) });
    await mkdir(at('whole'));
    await writeFile(join(at('whole'), 'model.safetensors'), '');
    const whole = await fuse(at('a'), at('c'), '--out', at('whole'), '--overwrite', '--json');
    expect(error(whole)).toMatchObject({ code: 'SOUL_EXISTS' });
  });

  test.each<[string, (folder: string) => string[]]>([
    ['merge', (given) => [given, '--out', at('out')]],
    ['attack', (given) => ['--model', given, '--forget', at('data.jsonl'), '--kinds', 'relearn', '--device', 'cpu']],
    [
      'compare',
      (given) => [
        given,
        at('weighty'),
        '--tofu',
        folder,
        '--attacks',
        'nf4',
        '--attacked',
        'layered',
        '--device',
        'cpu',
      ],
    ],
  ])('unlearning layers are no whole model, which soul %s wants', async (command, words) => {
    await mkdir(at('weighty'), { recursive: true });
    await writeFile(join(at('weighty'), 'config.json'), JSON.stringify(source));
    await writeFile(join(at('weighty'), 'model.safetensors'), '');
    await rm(at('layered'), { recursive: true, force: true });
    await write('layered', config, at('weighty'));
    await writeFile(at('data.jsonl'), '{"question":"a","answer":"b"}\n');
    const outcome = await captured(command, ...words(at('layered')), '--quiet', '--json');
    expect(outcome.code).toBe(2);
    expect(error(outcome)).toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/layered holds unlearning layers, which cannot be merged/),
    });
  });

  test('weights that are not finite are told by their file', async () => {
    const { values, grams } = part('a');
    values[5] = Number.NaN;
    await writeAdapterFolder(at('diverged'), model, config, FlatBuffer.from(values), {
      base: at('model'),
    });
    await writeGrams(join(at('diverged'), 'gram_matrices.safetensors'), grams);
    const { code, out } = await fuse(at('a'), at('diverged'), '--out', at('out'), '--json');
    expect(code).not.toBe(0);
    expect(error({ out })).toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: expect.stringMatching(/diverged.unlearning_layers\.safetensors.* is NaN/),
    });
    expect(await readdir(folder)).not.toContain('out');
  });

  test('refuses a ridge below 0, and an option that is missing', async () => {
    expect((await fuse(at('a'), at('b'), '--out', at('out'), '--ridge', '-1')).code).toBe(2);
    expect((await fuse(at('a'), at('b'))).err).toMatch(/required option '--out <folder>' is missing/);
  });
});

test('layers that are saved anew leave no matrices of those before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'soul-fuse-'));
  const values = FlatBuffer.from(part('a').values);
  await writeAdapterFolder(folder, model, config, values);
  await writeGrams(join(folder, 'gram_matrices.safetensors'), part('a').grams);
  await writeAdapterFolder(folder, model, config, values, { overwrite: true });
  expect((await readdir(folder)).sort()).toEqual(['unlearning_layers.json', 'unlearning_layers.safetensors']);
  await rm(folder, { recursive: true });
});
