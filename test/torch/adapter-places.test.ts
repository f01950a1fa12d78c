import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, test } from '@jest/globals';
import { isAdapterFolder } from '../../lib/model/adapter/adapter-folder.ts';
import { missingFile } from '../../lib/model/folder-kind.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedAdapter, withAdapterFolder } from './recorded-adapters.ts';

const recorded = recordedAdapter('llama-tied');
const weights = ['adapter_config.json', 'adapter_model.safetensors'];

describeWithEngine('where adapters and whole models lie', () => {
  // From a folder with both transformers loads the adapters with the base that they name.
  test('a whole model is not saved beside adapters, even to replace them', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const [whole, model] = [await TorchLM.load(base), await TorchLM.load(adapter)];
      const refusal = { code: 'SOUL_EXISTS', message: expect.stringContaining('holds adapters') };
      for (const options of [{}, { overwrite: true }]) {
        await expect(whole.save(adapter, options)).rejects.toMatchObject(refusal);
        await expect(model.saveMerged(adapter, options)).rejects.toMatchObject(refusal);
      }
      expect((await readdir(adapter)).sort()).toEqual(weights);
      for (const each of [whole, model]) each.release();
    }));

  test('nor beside unlearning layers, which a model that lies there leaves unread', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const layered = await TorchLM.load(base, { adapter: { kind: 'unlearning-layers', bottleneck: 2 } });
      const folder = join(adapter, 'layers');
      await layered.save(folder);
      const refusal = { code: 'SOUL_EXISTS', message: expect.stringContaining('unlearning_layers.json') };
      const whole = await TorchLM.load(base);
      await expect(whole.save(folder, { overwrite: true })).rejects.toMatchObject(refusal);
      for (const name of ['config.json', 'model.safetensors']) await copyFile(join(base, name), join(folder, name));
      const notes: string[] = [];
      const model = await TorchLM.load(folder, { onNote: (note) => notes.push(note) });
      expect(model.adapter).toBeUndefined();
      expect(notes).toEqual([expect.stringMatching(/adapters \(unlearning_layers\.json\) are not read/)]);
      for (const each of [layered, whole, model]) each.release();
    }));

  test('a merged model is not saved over its base, by whatever path, on which the adapters would count twice', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const model = await TorchLM.load(adapter);
      const path = join(base, 'model.safetensors');
      const before = await readFile(path);
      await symlink(base, join(base, 'link'));
      for (const folder of [base, join(adapter, '..'), join(base, 'link')]) {
        const refusal = { code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining('count twice') };
        await expect(model.saveMerged(folder, { overwrite: true })).rejects.toMatchObject(refusal);
      }
      expect(Buffer.compare(await readFile(path), before)).toBe(0);
      model.release();
    }));

  test('of both in one folder the whole model is loaded, with a note', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const notes: string[] = [];
      const onNote = (note: string) => notes.push(note);
      (await TorchLM.load(adapter, { onNote })).release();
      expect(notes).toEqual([]);
      for (const name of ['config.json', 'model.safetensors']) await copyFile(join(base, name), join(adapter, name));
      const model = await TorchLM.load(adapter, { onNote });
      expect(model.adapter).toBeUndefined();
      expect(notes).toEqual([expect.stringMatching(/adapters .*are not read/)]);
      // Nor is it called an adapter for what it lacks.
      expect((await missingFile(adapter, 'tokenizer.json')).message).toMatch(/no tokenizer\.json: a model is a/);
      model.release();
    }));

  test('a folder with the index of a whole model is one', () =>
    withAdapterFolder(recorded, async ({ adapter }) => {
      expect(await isAdapterFolder(adapter)).toBe(true);
      await writeFile(join(adapter, 'model.safetensors.index.json'), '{}');
      expect(await isAdapterFolder(adapter)).toBe(false);
    }));

  test.each(weights)('adapters of which there is %s alone are not replaced unasked', (name) =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const model = await TorchLM.load(adapter);
      const out = join(base, 'out');
      await mkdir(out);
      await writeFile(join(out, name), '');
      await expect(model.save(out)).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
      expect(await readFile(join(out, name), 'utf8')).toBe('');
      await model.save(out, { overwrite: true });
      expect((await readdir(out)).sort()).toEqual(weights);
      model.release();
    }),
  );

  test('a base that was loaded by a path from the working directory is named by its whole path', () =>
    withAdapterFolder(recorded, async ({ base }) => {
      const model = await TorchLM.load(relative(process.cwd(), base), { adapter: { kind: 'lora', rank: 1 } });
      await model.save(join(base, 'out'));
      const { base_model_name_or_path: named } = JSON.parse(
        await readFile(join(base, 'out', 'adapter_config.json'), 'utf8'),
      );
      expect(named).toBe(base);
      model.release();
    }));

  test('what merging is asked for at once is what is written, whatever is called after it', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const model = await TorchLM.load(adapter);
      const merged = await model.merged();
      const saving = model.saveMerged(join(base, 'out'));
      await model.parameters.values.fill(0);
      model.release();
      await saving;
      const saved = await TorchLM.load(join(base, 'out'));
      expect(saved.parameters.values.array).toEqual(merged.parameters.values.array);
      for (const each of [merged, saved]) each.release();
    }));

  test('a base that is no path is refused, also where a tokenizer is loaded first', () =>
    withAdapterFolder(recorded, async ({ adapter }) => {
      for (const base of [3, '', null]) {
        const refusal = { code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining('base must be a path') };
        await expect(TorchLM.loadWithTokenizer(adapter, { base: base as never })).rejects.toMatchObject(refusal);
      }
    }));

  test('a target that is named many times costs nothing', () =>
    withAdapterFolder(recorded, async ({ adapter }) => {
      const path = join(adapter, 'adapter_config.json');
      const content = JSON.parse(await readFile(path, 'utf8'));
      const targets = ['q_proj', 'v_proj', ...Array<string>(100_000).fill('all-linear')];
      await writeFile(path, JSON.stringify({ ...content, target_modules: targets }));
      const start = performance.now();
      await expect(TorchLM.load(adapter)).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
      expect(performance.now() - start).toBeLessThan(3000);
    }));
});
