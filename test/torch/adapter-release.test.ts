import { readdirSync, readlinkSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type LoadOptions, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import { recordedAdapter, withAdapterFolder } from './recorded-adapters.ts';

const recorded = recordedAdapter('llama-tied');

/** Which files within a folder this process has open; none where the system does not say. */
function openFiles(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return [];
    }
  });
}

describeWithEngine('what adapters take is given back', () => {
  const alloc = jest.spyOn(FlatBuffer, 'alloc');
  const kept = () => alloc.mock.results.filter(({ value }) => !(value as FlatBuffer).released).length;
  beforeEach(() => {
    alloc.mockClear();
  });
  afterEach(() => {
    alloc.mockClear();
  });

  test('files, whether loading goes well or not', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      (await TorchLM.load(adapter)).release();
      expect(openFiles(base)).toEqual([]);
      await rm(join(base, 'model.safetensors'));
      await expect(TorchLM.load(adapter)).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
      expect(openFiles(base)).toEqual([]);
      await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify({ ...recorded.config, r: 1 }));
      await expect(TorchLM.load(adapter, { base })).rejects.toMatchObject({ code: 'SOUL_BAD_FILE' });
      expect(openFiles(base)).toEqual([]);
    }));

  test('memory, where loading ends halfway', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const signal = AbortSignal.abort();
      for (const load of [() => TorchLM.load(adapter, { signal }), () => TorchLM.load(base, { signal })]) {
        await expect(load()).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      }
      expect([alloc.mock.calls.length, kept()]).toEqual([2, 0]);
      // The base is there, the adapters fail.
      alloc.mockClear();
      const copy = jest.spyOn(FlatBuffer.prototype, 'fill').mockRejectedValueOnce(new Error('no more'));
      const fresh = TorchLM.load(base, { adapter: { kind: 'lora', rank: 1 } });
      await expect(fresh).rejects.toThrow('no more');
      copy.mockRestore();
      expect([alloc.mock.calls.length, kept()]).toEqual([2, 0]);
    }));

  test('memory, where loading is cancelled between two adapters', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const whole = await TorchLM.load(base);
      const tensors = [...whole.parameters.layout].length;
      whole.release();
      /** Cancels when so many of a buffer's calls were made. */
      const cancelled = async (name: 'copyFrom' | 'fill', calls: number, folder: string, options: LoadOptions) => {
        alloc.mockClear();
        const controller = new AbortController();
        const original = FlatBuffer.prototype[name] as (...words: unknown[]) => Promise<void>;
        let left = calls;
        const spy = jest.spyOn(FlatBuffer.prototype, name).mockImplementation(function (
          this: FlatBuffer,
          ...words: unknown[]
        ) {
          if (--left === 0) controller.abort();
          return original.apply(this, words);
        } as never);
        try {
          return await TorchLM.load(folder, { ...options, signal: controller.signal });
        } finally {
          spy.mockRestore();
        }
      };
      const adapters = { code: 'SOUL_CANCELLED', message: expect.stringContaining(`loading ${adapter} was`) };
      await expect(cancelled('copyFrom', tensors + 1, adapter, {})).rejects.toMatchObject(adapters);
      expect([alloc.mock.calls.length, kept()]).toEqual([2, 0]);
      const fresh = { code: 'SOUL_CANCELLED', message: expect.stringContaining('drawing fresh adapters was') };
      const options = { adapter: { kind: 'lora', rank: 1 } } as const;
      await expect(cancelled('fill', 1, base, options)).rejects.toMatchObject(fresh);
      expect([alloc.mock.calls.length, kept()]).toEqual([2, 0]);
    }));

  test('memory of a merged model, once it is written and where it is not', () =>
    withAdapterFolder(recorded, async ({ base, adapter }) => {
      const model = await TorchLM.load(adapter);
      alloc.mockClear();
      const signal = AbortSignal.abort();
      await expect(model.merged({ signal })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      expect([alloc.mock.calls.length, kept()]).toEqual([1, 0]);
      await expect(model.saveMerged(base)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
      expect([alloc.mock.calls.length, kept()]).toEqual([2, 0]);
      await model.saveMerged(join(base, 'out'));
      // The first that writing takes is for pieces of it.
      expect((alloc.mock.results[2]!.value as FlatBuffer).released).toBe(true);
      model.release();
    }));
});
