import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { checksumsWithBase, modelChecksums } from '../../lib/run/checksums.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-checksums-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('of adapters are those of their base too, and of a whole model its own', async () => {
  const [base, adapter] = ['base', 'adapter'].map((name) => join(folder, name)) as [string, string];
  for (const each of [base, adapter]) await mkdir(each);
  await writeFile(join(base, 'model.safetensors'), 'weights');
  await writeFile(join(base, 'config.json'), '{}');
  await writeFile(join(adapter, 'adapter_config.json'), '{}');
  await writeFile(join(adapter, 'notes.txt'), '');
  const [ofBase, ofAdapter] = await Promise.all([base, adapter].map((each) => modelChecksums(each)));
  expect(await checksumsWithBase(base, base)).toEqual(ofBase);
  expect(await checksumsWithBase(adapter, base)).toEqual({
    'adapter_config.json': ofAdapter!['adapter_config.json'],
    'base/config.json': ofBase!['config.json'],
    'base/model.safetensors': ofBase!['model.safetensors'],
  });
});
