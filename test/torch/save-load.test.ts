import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { openSafetensors, writeSafetensors } from '../../lib/core/safetensors.ts';
import { HuggingFaceTokenizer } from '../../lib/model/index.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { nativeEngine } from '../../lib/torch/engine.ts';
import { engineHasCuda, installedEngine, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { bfloat16Value, nearestBfloat16 } from '../native/bfloat16.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedModels, worst, writeRecorded } from './recorded-models.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

describeWithEngine('model folders', () => {
  test.each(recordedModels)('what is saved loads with the same bits: %s', async (_, recorded) => {
    await writeRecorded(folder, recorded);
    await writeFile(join(folder, 'generation_config.json'), '{"eos_token_id": 2}');
    const model = await TorchLM.load(folder);
    // The order of the calls holds: what was asked before is in the file.
    void model.parameters.values.view(7, 1).fill(0.25);
    const out = join(folder, 'new', 'out');
    await model.save(out);
    expect(await readdir(out)).toEqual(['config.json', 'generation_config.json', 'model.safetensors']);
    expect(await readFile(join(out, 'generation_config.json'), 'utf8')).toBe('{"eos_token_id": 2}');
    const again = await TorchLM.load(out);
    expect(again.parameters.values.array[7]).toBe(0.25);
    expect([...again.parameters.values.array]).toEqual([...model.parameters.values.array]);
    const { source: before, ...shape } = model.config;
    const { source: after, ...shapeAgain } = again.config;
    expect(shapeAgain).toEqual(shape);
    expect(after).toMatchObject({ vocab_size: before.vocab_size, dtype: 'float32', torch_dtype: 'float32' });

    const file = await openSafetensors(join(out, 'model.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect([...file.tensors.keys()].sort()).toEqual([...model.parameters.layout].map(([name]) => name).sort());
    await file.close();
    model.release();
    again.release();
  });

  test('a model is given up at the end of a block, and by then its memory', async () => {
    await writeRecorded(folder, recordedModels[0]![1]);
    const engine = nativeEngine();
    const release = engine.releaseModel;
    let givenUp = false;
    jest.spyOn(engine, 'releaseModel').mockImplementation(async (handle) => {
      await release(handle);
      await setTimeout(1);
      givenUp = true;
    });
    let kept: TorchLM;
    {
      await using model = await TorchLM.load(folder);
      kept = model;
      expect(kept.released).toBe(false);
    }
    expect(givenUp).toBe(true);
    jest.restoreAllMocks();
    expect([kept.released, kept.parameters.values.released]).toEqual([true, true]);
    await expect(kept.save(join(folder, 'out'))).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    await kept[Symbol.asyncDispose]();
  });

  test('what is saved is complete: the tokenizer goes along, and a model that is there stays unless it is to be replaced', async () => {
    const [, recorded] = recordedModels[0]!;
    await writeRecorded(folder, recorded);
    await writeWordTokenizer(folder, ['one two']);
    const { model, tokenizer } = await TorchLM.loadWithTokenizer(folder);
    const out = join(folder, 'out');
    await model.save(out);
    expect(await readdir(out)).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']));
    expect((await HuggingFaceTokenizer.load(out)).encode('two')).toEqual(tokenizer.encode('two'));
    await expect(model.save(out)).rejects.toMatchObject({ code: 'SOUL_EXISTS' });

    // Shards of another model are not left beside the one file.
    await writeFile(join(out, 'model-00001-of-00002.safetensors'), '');
    await writeFile(join(out, 'model.safetensors.index.json'), '{}');
    await writeFile(join(out, 'notes.txt'), '');
    await model.save(out, { overwrite: true, tokenizer });
    const names = await readdir(out);
    expect(names).toContain('notes.txt');
    expect(names.filter((name) => name.includes('index') || name.includes('-of-'))).toEqual([]);
    (await TorchLM.load(out)).release();
    await expect(model.save(folder, { overWrite: true } as object)).rejects.toMatchObject({
      message: 'options has no option overWrite; did you mean overwrite?',
    });
    // Made, not loaded: there is no tokenizer unless one is given.
    const made = await TorchLM.create(recorded.config, 1n);
    await made.save(join(folder, 'made'));
    expect(await readdir(join(folder, 'made'))).not.toContain('tokenizer.json');
    await made.save(join(folder, 'made'), { tokenizer, overwrite: true });
    expect(await readdir(join(folder, 'made'))).toContain('tokenizer.json');
    model.release();
    made.release();
  });

  test('weights of other shapes than config.json says are refused before memory is taken for them', async () => {
    const [, recorded] = recordedModels[0]!;
    await writeRecorded(folder, recorded);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...recorded.config, intermediate_size: 2 ** 30 }));
    const alloc = jest.spyOn(FlatBuffer, 'alloc');
    await expect(TorchLM.load(folder)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringContaining('but config.json gives'),
    });
    expect(alloc).not.toHaveBeenCalled();
    alloc.mockRestore();
    await expect(TorchLM.create({ ...recorded.config, intermediate_size: 2 ** 30 }, 1n)).rejects.toMatchObject({
      code: 'SOUL_OUT_OF_MEMORY',
      message: expect.stringMatching(/^there is not enough memory for the weights: \d+\.\d\d GiB could not/),
    });
  });

  test('loading, drawing and generating hear a signal', async () => {
    const [, recorded] = recordedModels[0]!;
    await writeRecorded(folder, recorded);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    const cancelled = { code: 'SOUL_CANCELLED', cause: reason };
    await expect(TorchLM.load(folder, { signal })).rejects.toMatchObject(cancelled);
    await expect(TorchLM.create(recorded.config, 1n, { signal })).rejects.toMatchObject(cancelled);
    const model = await TorchLM.load(folder, { signal: new AbortController().signal });
    await expect(model.generate([[1]], { maxNewTokens: 1, signal })).rejects.toMatchObject(cancelled);
    await expect(TorchLM.load(folder, { signal: new AbortController() as never })).rejects.toThrow(/signal must be/);
    model.release();
  });

  test.each(recordedModels)('bfloat16: saved with its dtype, loaded with the same bits: %s', async (_, recorded) => {
    await writeRecorded(folder, recorded);
    const model = await TorchLM.load(folder, { dtype: 'bf16' });
    const out = join(folder, 'out');
    await model.save(out);
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
      dtype: 'bfloat16',
      torch_dtype: 'bfloat16',
    });
    const again = await TorchLM.load(out, { dtype: 'bf16' });
    expect([...again.parameters.values.array]).toEqual([...model.parameters.values.array]);
    // Widened, and made anew from the same draws.
    const wide = await TorchLM.load(out);
    expect([...wide.parameters.values.array]).toEqual([...(await model.parameters.values.toFloat32Array())]);
    const [drawn, narrow] = [
      await TorchLM.create(recorded.config, 1n),
      await TorchLM.create(recorded.config, 1n, { dtype: 'bf16' }),
    ];
    expect(Array.from(narrow.parameters.values.array, bfloat16Value)).toEqual(
      Array.from(drawn.parameters.values.array, nearestBfloat16),
    );
    for (const each of [model, again, wide, drawn, narrow]) each.release();
  });

  test('random weights are a function of the seed, spread as config.json says', async () => {
    const config = { ...recordedModels[1]![1].config, hidden_size: 64, initializer_range: 0.1 };
    const [one, same, other] = await Promise.all([1n, 1n, 2n].map((seed) => TorchLM.create(config, seed)));
    expect([...same!.parameters.values.array]).toEqual([...one!.parameters.values.array]);
    expect([...other!.parameters.values.array]).not.toEqual([...one!.parameters.values.array]);
    const { values, layout } = one!.parameters;
    for (const [name, { offset, shape, group }] of layout) {
      const size = shape.reduce((a, b) => a * b, 1);
      const part = values.array.subarray(offset, offset + size);
      if (group === 'vector') {
        expect(new Set(part)).toEqual(new Set([name.endsWith('.bias') ? 0 : 1]));
        continue;
      }
      const mean = part.reduce((a, b) => a + b, 0) / size;
      const variance = part.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
      expect(Math.abs(mean)).toBeLessThan((5 * 0.1) / Math.sqrt(size));
      expect(Math.abs(variance / 0.01 - 1)).toBeLessThan(5 * Math.sqrt(2 / size));
    }
    for (const model of [one, same, other]) model!.release();
  });

  test('options that are wrong or not supported are named', async () => {
    await writeRecorded(folder, recordedModels[0]![1]);
    const codes: [object, string, RegExp][] = [
      [{ device: 'gpu' }, 'SOUL_INVALID_ARGUMENT', /device must be 'cpu', 'cuda' or 'cuda:N'/],
      [{ dtype: 'u8' }, 'SOUL_INVALID_ARGUMENT', /dtype must be 'f32' or 'bf16'/],
      [{ dtype: 'f16' }, 'SOUL_INVALID_ARGUMENT', /dtype must be 'f32' or 'bf16'/],
      [{ threads: 0 }, 'SOUL_INVALID_ARGUMENT', /threads/],
      [{ onNote: 'console' }, 'SOUL_INVALID_ARGUMENT', /onNote must be a function/],
      [{ logitsMemory: -1 }, 'SOUL_INVALID_ARGUMENT', /logitsMemory/],
    ];
    for (const [options, code, message] of codes) {
      await expect(TorchLM.load(folder, options as never)).rejects.toMatchObject({ code, message });
    }
    await expect(TorchLM.load(join(folder, 'missing'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
    await expect(TorchLM.load(undefined as never)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    await expect(TorchLM.create({ model_type: 'llama' }, 1n)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    await expect(TorchLM.create({}, 1 as never)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  });

  const onCpuBuild = engineHasCuda() ? test.skip : test;
  onCpuBuild('a GPU without a CUDA build of libtorch: what was found, and what to do', async () => {
    await writeRecorded(folder, recordedModels[0]![1]);
    const { torchVersion, libtorch } = installedEngine()!;
    await expect(TorchLM.load(folder, { device: 'cuda' })).rejects.toMatchObject({
      code: 'SOUL_ENGINE_MISSING',
      message: `a model on cuda:0 needs a CUDA build of libtorch, but the engine's is ${torchVersion} in ${libtorch}, which has no lib/libtorch_cuda.so; run: npm run soul -- engine install --cuda, or use device 'cpu'`,
      details: { device: 'cuda:0' },
    });
    await expect(TorchLM.create(recordedModels[0]![1].config, 1n, { device: 'cuda:3' })).rejects.toMatchObject({
      code: 'SOUL_ENGINE_MISSING',
      message: expect.stringMatching(/^a model on cuda:3 needs/),
    });
  });

  test('what the system refuses to write is named', async () => {
    await writeRecorded(folder, recordedModels[0]![1]);
    const model = await TorchLM.load(folder);
    await expect(model.save(join(folder, 'config.json', 'in a file'))).rejects.toMatchObject({
      code: 'SOUL_FILE_SYSTEM',
      details: { systemCode: 'ENOTDIR' },
    });
    model.release();
  });
});

const data = process.env.SOUL_TEST_DATA;
if (!data)
  console.warn('SKIPPED: tests on a pretrained model, for SOUL_TEST_DATA names no folder with models/stories260K');
const describeWithData = data ? describeWithEngine : describe.skip;

describeWithData('stories260K', () => {
  const recorded = async () =>
    JSON.parse(await readFile(new URL('./fixtures/stories260k.json', import.meta.url), 'utf8')) as {
      tokens: number[];
      nll: number[];
      generated: number[];
    };

  test('log-probabilities and greedy text are those of transformers', async () => {
    const { tokens, nll, generated } = await recorded();
    const model = await TorchLM.load(join(data!, 'models', 'stories260K'));
    const pass = await model.nll(TokenBatch.of([{ tokens, labelsFrom: 1 }]));
    expect(worst(pass.values, nll)).toBeLessThan(1e-4);
    pass.release();
    const [continued] = await model.generate([tokens], { maxNewTokens: generated.length });
    expect(continued).toEqual(generated);
    model.release();
  });

  test.each<[string, (name: string) => string, RegExp]>([
    ['in wrappers', (name) => `module._orig_mod.${name}`, /every name begins with module\._orig_mod\./],
    [
      'with the output layer for its embedding',
      (name) => name.replace(/^.*embed_tokens/, 'lm_head'),
      /lm_head.weight is/,
    ],
  ])('saved %s it is the same model, and saved anew it has its own names', async (_, rename, note) => {
    const original = join(data!, 'models', 'stories260K');
    await copyFile(join(original, 'config.json'), join(folder, 'config.json'));
    const file = await openSafetensors(join(original, 'model.safetensors'));
    const tensors = Array.from(file.tensors, ([name, { shape }]) => ({
      name: rename(name),
      dtype: 'F32' as const,
      shape,
      data: () => file.read(name),
    }));
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    const notes: string[] = [];
    const model = await TorchLM.load(folder, { onNote: (each) => notes.push(each) });
    expect(notes).toEqual([expect.stringMatching(note)]);
    const { tokens, nll } = await recorded();
    const pass = await model.nll(TokenBatch.of([{ tokens, labelsFrom: 1 }]));
    expect(worst(pass.values, nll)).toBeLessThan(1e-4);
    pass.release();
    await model.save(join(folder, 'anew'));
    model.release();
    const anew = await openSafetensors(join(folder, 'anew', 'model.safetensors'));
    expect([...anew.tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
    await anew.close();
    await file.close();
  });
});
