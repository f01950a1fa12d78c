import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { toJson } from '../../lib/core/json.ts';
import { unlearningLayersFile, unlearningLayersJson } from '../../lib/model/adapter/unlearning-layers-file.ts';
import { modelChecksums } from '../../lib/run/checksums.ts';
import { isChanged } from '../../lib/run/run-adapters.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';

const { path, run } = bigramRunOfEachTest();

test('a base whose files are others, or that is gone, is told as changed, and costs no finished run', async () => {
  const base = await mkdtemp(join(tmpdir(), 'soul-base-'));
  await writeFile(join(base, 'config.json'), '{}');
  const sums = await modelChecksums(base);
  expect(await isChanged(base, sums)).toBe(false);
  await writeFile(join(base, 'tokenizer.json'), '{}');
  expect(await isChanged(base, sums)).toBe(true);
  await rm(base, { recursive: true });
  expect(await isChanged(base, sums)).toBe(true);
});

test('the base that adapters name is not replaced by what trains beside it', async () => {
  await run().result;
  const before = await readFile(join(path('out'), 'run.json'));
  await mkdir(path('adapter'));
  const layers = { kind: 'unlearning-layers', bottleneck: 4, activation: 'gelu' } as const;
  await writeFile(join(path('adapter'), unlearningLayersFile), toJson(unlearningLayersJson(layers, path('out'))));
  const { load, result } = run({ model: path('adapter'), overwrite: true });
  await expect(result).rejects.toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
    message: expect.stringMatching(/out cannot be replaced: the run reads it/),
  });
  expect(load).not.toHaveBeenCalled();
  expect(await readFile(join(path('out'), 'run.json'))).toEqual(before);
});
