import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { modelChecksums } from '../../lib/run/checksums.ts';
import { checkBase } from '../../lib/run/verify/base.ts';

let folder: string;
let base: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-out-'));
  base = await mkdtemp(join(tmpdir(), 'soul-base-'));
  await writeFile(join(base, 'config.json'), '{}');
});
afterAll(() => Promise.all([folder, base].map((each) => rm(each, { recursive: true, force: true }))));

test('a record that says nothing of the adapters in its folder is refused', async () => {
  expect(await checkBase(folder, {}, {})).toEqual([]);
  await writeFile(join(folder, 'adapter_config.json'), '{}');
  expect(await checkBase(folder, {}, {})).toEqual([
    expect.objectContaining({ outcome: 'failed', text: expect.stringMatching(/^adapter: expected in run\.json/) }),
  ]);
});

test('a base that was moved is not compared, until its place is given', async () => {
  const record = { adapter: { base: { sha256: await modelChecksums(base), changed: false } } };
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ base_model_name_or_path: `${base}-moved` }));
  const outcomes = async (given: { base?: string }) =>
    (await checkBase(folder, record, given)).map(({ outcome }) => outcome);
  expect(await outcomes({})).toEqual(['unknown']);
  expect(await outcomes({ base })).toEqual(['passed']);
  expect(await outcomes({ base: `${base}-moved` })).toEqual(['failed']);
  await writeFile(join(base, 'config.json'), '{"changed":true}');
  expect(await outcomes({ base })).toEqual(['failed']);
});
