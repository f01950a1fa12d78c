import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { checkModelFolder } from '../../lib/model/folder-kind.ts';
import { HuggingFaceTokenizer, readModelConfig } from '../../lib/model/index.ts';

const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n';
let folder: string;
const write = async (files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-folder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a folder that is no model says what it is and what to give', () => {
  test.each([
    [
      'an adapter',
      { 'adapter_config.json': '{"base_model_name_or_path": "org/base"}', 'tokenizer.json': '{}' },
      /adapter of org\/base, not a model; merge it into its base \(.*merge\)/,
    ],
    [
      "a folder of the Hub's cache",
      { 'refs/main': 'abc', 'snapshots/aaa/config.json': '{}', 'snapshots/abc/config.json': '{}' },
      /give the snapshot in it: .*\/snapshots\/abc$/,
    ],
    ["the Hub's cache itself", { 'models--org--name/snapshots/abc/config.json': '{}' }, /models--org--name\/snapshots/],
    ['GGUF', { 'model.Q4.gguf': 'GGUF' }, /GGUF, which is not read/],
    ['checkpoints', { 'checkpoint-10/config.json': '{}', 'runs/x': '' }, /in its folders checkpoint-10; give one/],
  ])('%s', async (_, files: Record<string, string>, message) => {
    await write(files);
    const error = { code: 'SOUL_NOT_FOUND', message: expect.stringMatching(message) };
    await expect(checkModelFolder(folder)).rejects.toMatchObject(error);
    await expect(readModelConfig(folder)).rejects.toMatchObject(error);
    if (!('tokenizer.json' in files)) await expect(HuggingFaceTokenizer.load(folder)).rejects.toMatchObject(error);
  });

  test('links to what is gone', async () => {
    await symlink('../../blobs/123', join(folder, 'config.json'));
    await symlink('../../blobs/124', join(folder, 'tokenizer.json'));
    const error = {
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/a link to ..\/..\/blobs\/12[34], which does not/),
    };
    await expect(checkModelFolder(folder)).rejects.toMatchObject(error);
    await expect(HuggingFaceTokenizer.load(folder)).rejects.toMatchObject(error);
  });
});

describe('files that are not there', () => {
  const index = (names: string[]) =>
    JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [`w${i}`, name])) });

  test('all missing shards are named at once', async () => {
    const names = [1, 2, 3, 4].map((i) => `model-0000${i}-of-00004.safetensors`);
    await write({ 'config.json': '{}', 'model.safetensors.index.json': index(names), [names[1]!]: '' });
    await expect(checkModelFolder(folder)).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(
        /lacks 3 of the 4 files .*00001-of.*00003-of.*00004-of-00004.safetensors; download/,
      ),
      details: { missing: [names[0], names[2], names[3]] },
    });
  });

  test.each([['model.safetensors'], ['shard.safetensors']])('a pointer of Git LFS in place of %s', async (name) => {
    await write({ 'config.json': '{}', [name]: pointer, 'model.safetensors.index.json': index(['shard.safetensors']) });
    await expect(checkModelFolder(folder)).rejects.toMatchObject({
      code: 'SOUL_BAD_FILE',
      message: expect.stringMatching(/safetensors is the pointer of Git LFS to a file, .*git lfs pull/),
    });
  });

  test('a link to weights that are gone', async () => {
    await write({ 'config.json': '{}' });
    await symlink('../../blobs/125', join(folder, 'model.safetensors'));
    await expect(checkModelFolder(folder)).rejects.toThrow(
      /no model.safetensors: it is a link to .*125, which does not/,
    );
  });

  test('a pointer in place of tokenizer.json', async () => {
    await write({ 'tokenizer.json': pointer });
    await expect(HuggingFaceTokenizer.load(folder)).rejects.toThrow(/tokenizer.json is the pointer of Git LFS/);
  });

  test('a folder with what a loader of its own needs passes', async () => {
    await write({ 'weights.npz': '' });
    await checkModelFolder(folder);
  });
});
