import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { beforeEach, expect, jest, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { openSafetensors, type SafetensorsSource, writeSafetensors } from '../../lib/core/safetensors.ts';
import { checkModelFolder } from '../../lib/model/folder-kind.ts';
import { HuggingFaceTokenizer, type LoraConfig } from '../../lib/model/index.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { smallConfig } from './adapter-models.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedAdapter, withAdapterFolder } from './recorded-adapters.ts';

const recorded = recordedAdapter('llama-tied');
const other = recordedAdapter('gpt2-all');

/** Calls `work` with a folder of adapters and a way to change its configuration. */
async function withFolder(
  work: (folders: { base: string; adapter: string; change: (entries: object) => Promise<void> }) => Promise<void>,
): Promise<void> {
  await withAdapterFolder(recorded, async ({ base, adapter }) => {
    const path = join(adapter, 'adapter_config.json');
    const change = async (entries: object) => {
      const before = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...before, ...entries }).replaceAll('"NaN"', 'NaN'));
    };
    await work({ base, adapter, change });
  });
}

/** Rewrites the weights with each tensor changed, or left out where nothing comes of it. */
async function rewrite(
  adapter: string,
  change: (tensor: SafetensorsSource, index: number) => SafetensorsSource[],
): Promise<void> {
  const path = join(adapter, 'adapter_model.safetensors');
  const file = await openSafetensors(path);
  const tensors = await Promise.all(
    Array.from(file.tensors, async ([name, { dtype, shape }]) => {
      const data = await file.read(name);
      return { name, dtype: dtype as SafetensorsSource['dtype'], shape, data };
    }),
  );
  await file.close();
  await writeSafetensors(path, tensors.flatMap(change));
}

const first = 'base_model.model.model.layers.0.self_attn.q_proj';

describeWithEngine('weights of adapters that do not fit are refused before memory is taken', () => {
  const alloc = jest.spyOn(FlatBuffer, 'alloc');
  beforeEach(() => {
    alloc.mockClear();
  });
  const refused = async (adapter: string, code: string, message: RegExp, options = {}) => {
    await expect(TorchLM.load(adapter, options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(alloc).not.toHaveBeenCalled();
  };

  test('a file that is cut off', () =>
    withFolder(async ({ adapter }) => {
      await truncate(join(adapter, 'adapter_model.safetensors'), 1000);
      await refused(adapter, 'SOUL_BAD_FILE', /adapter_model\.safetensors/);
    }));

  test('a B that is missing, and a tensor of nothing that is adapted', () =>
    withFolder(async ({ adapter }) => {
      await rewrite(adapter, (tensor) => (tensor.name === `${first}.lora_B.weight` ? [] : [tensor]));
      await refused(adapter, 'SOUL_BAD_FILE', /layers\.0\.self_attn\.q_proj\.lora_B\.weight is missing/);
      await rewrite(adapter, (tensor, i) =>
        i === 0 ? [tensor, { ...tensor, name: tensor.name.replace('q_proj', 'o_proj') }] : [tensor],
      );
      await refused(adapter, 'SOUL_BAD_FILE', /o_proj\.lora_A\.weight is no adapter of a layer in target_modules/);
    }));

  test('shapes of another rank, and element types that are not read', () =>
    withFolder(async ({ adapter, change }) => {
      await change({ r: 3 });
      await refused(adapter, 'SOUL_BAD_FILE', /has shape \[4,\s?32\], but the base, .* gives \[3,32\]/);
      await rewrite(adapter, (tensor, i) => (i === 0 ? [{ ...tensor, dtype: 'I32' }] : [tensor]));
      await refused(adapter, 'SOUL_UNSUPPORTED', /is I32; weights are read from/);
    }));

  test('a base of other sizes, and adapters for another family', () =>
    withFolder(async ({ base, adapter }) => {
      const config = JSON.parse(await readFile(join(base, 'config.json'), 'utf8'));
      await writeFile(join(base, 'config.json'), JSON.stringify({ ...config, head_dim: 4 }));
      await refused(adapter, 'SOUL_BAD_FILE', /q_proj\.lora_B\.weight has shape/);
      await withAdapterFolder(other, async (gpt) => {
        await refused(gpt.adapter, 'SOUL_UNSUPPORTED', /c_attn is no linear layer.*q_proj, k_proj/, { base });
      });
    }));

  test('no weights', () =>
    withFolder(async ({ adapter }) => {
      await rm(join(adapter, 'adapter_model.safetensors'));
      const lacking = { code: 'SOUL_NOT_FOUND', message: expect.stringContaining('the weights of the adapters') };
      await expect(checkModelFolder(adapter, { adapters: true })).rejects.toMatchObject(lacking);
      await refused(adapter, 'SOUL_NOT_FOUND', /lacks the weights of its adapters/);
      await writeFile(join(adapter, 'adapter_model.bin'), '');
      await refused(adapter, 'SOUL_NOT_FOUND', /adapter_model\.bin is not read/);
    }));
});

describeWithEngine('what adapter_config.json asks for and is not built is refused by its key', () => {
  test.each([
    ['use_dora', { use_dora: true }],
    ['rank_pattern', { rank_pattern: { q_proj: 2 } }],
    ['alpha_pattern', { alpha_pattern: { q_proj: 2 } }],
    ['modules_to_save', { modules_to_save: ['lm_head'] }],
    ['bias', { bias: 'all' }],
    ['lora_bias', { lora_bias: true }],
    ['layers_to_transform', { layers_to_transform: [0] }],
    ['exclude_modules', { exclude_modules: ['v_proj'] }],
    ['init_lora_weights', { init_lora_weights: 'pissa' }],
    ['trainable_token_indices', { trainable_token_indices: [1] }],
    ['something_new', { something_new: 1 }],
    ['peft_type', { peft_type: 'IA3' }],
    ['task_type', { task_type: 'SEQ_CLS' }],
    ['target_modules', { target_modules: '.*q_proj' }],
    ['target lm_head is an embedding or the output layer', { target_modules: ['q_proj', 'lm_head'] }],
    ['target embed_tokens is an embedding', { target_modules: ['embed_tokens'] }],
  ])('%s', (key, entries) =>
    withFolder(async ({ adapter, change }) => {
      await change(entries);
      const refusal = { code: 'SOUL_UNSUPPORTED', message: expect.stringContaining(key) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(refusal);
    }),
  );

  test.each([
    ['r must be a positive integer', { r: 'NaN' }],
    ['r must be a positive integer', { r: 0 }],
    ['r must be at most', { r: 1e6 }],
    ['lora_alpha must be a positive number', { lora_alpha: -1 }],
    ['use_rslora must be true or false', { use_rslora: 'yes' }],
    ['target_modules must be a list', { target_modules: [] }],
    ['target_modules must be a list', { target_modules: [1] }],
    ['base_model_name_or_path must be a text', { base_model_name_or_path: 3 }],
  ])('%s', (message, entries) =>
    withFolder(async ({ adapter, change }) => {
      await change(entries);
      const refusal = { code: 'SOUL_BAD_FILE', message: expect.stringContaining(message) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(refusal);
    }),
  );

  test('what changes no output is taken, as are targets that another family has', () =>
    withFolder(async ({ adapter, change }) => {
      const plain = await TorchLM.load(adapter);
      const { rank, alpha } = plain.adapter as LoraConfig;
      const targets = ['q_proj', 'v_proj', 'query_key_value'];
      // Of what is left out PEFT's defaults are taken.
      await change({ lora_alpha: null });
      const unscaled = await TorchLM.load(adapter);
      expect(unscaled.adapter).toEqual({ ...plain.adapter, alpha: 8 });
      await change({ lora_alpha: alpha, r: null });
      const unranked = { code: 'SOUL_BAD_FILE', message: expect.stringMatching(/ gives \[8,/) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(unranked);
      await change({
        r: rank,
        lora_dropout: 0.3,
        init_lora_weights: 'gaussian',
        revision: 'main',
        target_modules: targets,
      });
      const model = await TorchLM.load(adapter);
      expect(model.adapter).toEqual({ ...plain.adapter, targets: ['q_proj', 'v_proj'] });
      // As PEFT takes it where it is not spelled out.
      await change({ target_modules: 'all-linear' });
      const missing = { code: 'SOUL_BAD_FILE', message: expect.stringMatching(/k_proj\.lora_A\.weight is missing/) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(missing);
      for (const each of [plain, model, unscaled]) each.release();
    }));
});

describeWithEngine('the base of adapters', () => {
  test('is found from their folder on, by a whole path, or given; else it is asked for', () =>
    withFolder(async ({ base, adapter, change }) => {
      const named: [object, object][] = [
        [{ base_model_name_or_path: '..' }, {}],
        [{ base_model_name_or_path: base }, {}],
        // From the working directory on.
        [{ base_model_name_or_path: relative(process.cwd(), base) }, {}],
        [{ base_model_name_or_path: 'org/name' }, { base }],
        [{ base_model_name_or_path: null }, { base }],
      ];
      for (const [entries, options] of named) {
        await change(entries);
        (await TorchLM.load(adapter, options)).release();
        await checkModelFolder(adapter, { adapters: true, ...options });
      }
      const refusal = { code: 'SOUL_NOT_FOUND', message: expect.stringMatching(/names no base.*as base \(--base\)/) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(refusal);
      await change({ base_model_name_or_path: 'org/name' });
      const hub = { code: 'SOUL_NOT_FOUND', message: expect.stringMatching(/org\/name, which is no folder here/) };
      await expect(TorchLM.load(adapter)).rejects.toMatchObject(hub);
      await expect(checkModelFolder(adapter, { adapters: true })).rejects.toMatchObject(hub);
      await expect(checkModelFolder(adapter)).rejects.toMatchObject({ message: expect.stringMatching(/merge it/) });
      await expect(TorchLM.load(adapter, { base: adapter })).rejects.toMatchObject({
        code: 'SOUL_UNSUPPORTED',
        message: expect.stringContaining('is an adapter itself'),
      });
      for (const refused of [TorchLM.load(base, { base }), TorchLM.create(smallConfig, 1n, { base })]) {
        await expect(refused).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
      }
      const again = TorchLM.load(adapter, { base, adapter: { kind: 'lora' } });
      await expect(again).rejects.toMatchObject({ message: expect.stringContaining('holds adapters already') });
    }));

  test('is not taken for what some put beside adapters, a config.json', () =>
    withFolder(async ({ base, adapter }) => {
      await copyFile(join(base, 'config.json'), join(adapter, 'config.json'));
      const model = await TorchLM.load(adapter);
      expect(model.adapter).toBeDefined();
      await model.save(adapter, { overwrite: true });
      model.release();
    }));

  test('is named in what is saved, by its folder or as is said', () =>
    withFolder(async ({ base, adapter }) => {
      const model = await TorchLM.load(adapter);
      const out = join(base, 'out');
      const namedBase = async () =>
        JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8')).base_model_name_or_path;
      await model.save(out);
      expect(await namedBase()).toBe(join(adapter, '..'));
      await expect(model.save(out)).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
      await model.save(out, { overwrite: true, base: 'org/name' });
      expect(await namedBase()).toBe('org/name');
      // As PEFT has loaded it (adapters/record_adapters.py).
      const fixture = new URL('./fixtures/adapter_config.json', import.meta.url);
      expect(await readFile(join(out, 'adapter_config.json'), 'utf8')).toBe(await readFile(fixture, 'utf8'));
      // A whole model is never replaced by adapters.
      await expect(model.save(base, { overwrite: true })).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
      model.release();
    }));

  test('lends its tokenizer where the adapters have none', () =>
    withFolder(async ({ base, adapter }) => {
      await writeWordTokenizer(base, ['one two']);
      const { model, tokenizer } = await TorchLM.loadWithTokenizer(adapter);
      expect(tokenizer.folder).toBe(join(adapter, '..'));
      const out = join(base, 'out');
      await model.save(out);
      const [original, lent] = await Promise.all([base, out].map((each) => HuggingFaceTokenizer.load(each)));
      expect(lent!.encode('two')).toEqual(original!.encode('two'));
      await mkdir(join(base, 'own'));
      for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
        await copyFile(join(out, name), join(base, 'own', name));
      }
      await writeWordTokenizer(join(base, 'own'), ['three']);
      const own = await TorchLM.load(join(base, 'own'));
      await own.saveMerged(join(base, 'merged'));
      const tokens = await readFile(join(base, 'merged', 'tokenizer.json'), 'utf8');
      expect(tokens).toBe(await readFile(join(base, 'own', 'tokenizer.json'), 'utf8'));
      for (const each of [model, own]) each.release();
    }));
});

describeWithEngine('options of fresh adapters', () => {
  const kind = 'lora';
  test.each([
    [{ kind, rank: Number.NaN }, /adapter\.rank must be an integer/],
    [{ kind, rank: 0 }, /adapter\.rank must be an integer/],
    [{ kind, rank: 1.5 }, /adapter\.rank must be an integer/],
    [{ kind, rank: 1e6 }, /adapter\.rank must be an integer/],
    [{ kind, alpha: 0 }, /adapter\.alpha must be a number above 0/],
    [{ kind, alpha: Number.POSITIVE_INFINITY }, /adapter\.alpha/],
    [{ kind, targets: [] }, /adapter\.targets must be 'all-linear' or a list/],
    [{ kind, targets: 'q_proj' }, /adapter\.targets must be 'all-linear' or a list/],
    [{ kind, targets: [3] }, /adapter\.targets/],
    [{ kind, rankStabilised: 1 }, /adapter\.rankStabilised/],
    [{ kind, seed: 3 }, /adapter\.seed must be a bigint/],
    [{ kind: 'other' }, /adapter\.kind must be 'lora' or 'unlearning-layers'/],
    [{ kind, ranks: 3 }, /did you mean rank/],
    [3, /adapter must be an object/],
    [
      { kind, targets: ['q_proj', 'query'] },
      /target query is no linear layer.*q_proj, k_proj, v_proj, o_proj, gate_proj/,
    ],
    [{ kind, targets: ['lm_head'] }, /target lm_head is an embedding or the output layer/],
    [{ kind, targets: ['embed_tokens'] }, /target embed_tokens is an embedding/],
    [{ kind, targets: ['proj'] }, /target proj is no linear layer/],
  ])('%p are refused', async (adapter, message) => {
    await expect(TorchLM.create(smallConfig, 1n, { adapter: adapter as never })).rejects.toMatchObject({
      code: expect.stringMatching(/^SOUL_(INVALID_ARGUMENT|UNSUPPORTED)$/),
      message: expect.stringMatching(message),
    });
  });
});
