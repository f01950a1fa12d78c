import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { changedInputs } from '../../lib/run/changed-inputs.ts';

let folder: string;
const path = (name: string) => join(folder, name);
const names = ['target', 'retain', 'refusals', 'alternatives', 'algorithm'];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-changed-'));
  for (const name of names) await writeFile(path(name), name);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settings = () => ({
  ...{ target: path('target'), retain: path('retain'), refusals: path('refusals') },
  ...{ alternatives: path('alternatives'), algorithmFile: path('algorithm') },
});
const record = (more: object = {}) => ({
  package: { name: 'soul-unlearn' },
  settings: settings(),
  inputs: Object.fromEntries(
    names.map((name) => [name, { file: name, sha256: createHash('sha256').update(name).digest('hex') }]),
  ),
  ...more,
});

test('files as they were are none, those that are other now are told', async () => {
  expect(await changedInputs(record(), settings())).toEqual([]);
  for (const name of names) {
    await writeFile(path(name), 'other');
    expect(await changedInputs(record(), settings())).toEqual([path(name)]);
    await writeFile(path(name), name);
  }
});

test('of other files, of those that are gone, and without a record nothing is known', async () => {
  for (const name of names) await writeFile(path(name), 'other');
  const { target } = settings();
  expect(await changedInputs(record(), { target })).toEqual([target]);
  expect(await changedInputs(record(), { target: path('retain') })).toEqual([]);
  expect(await changedInputs({ settings: settings() }, settings())).toEqual([]);
  expect(await changedInputs(undefined, settings())).toEqual([]);
  for (const inputs of [undefined, null, 3, { target: null }, { target: { sha256: 3 } }]) {
    expect(await changedInputs(record({ inputs }), settings())).toEqual([]);
  }
  await rm(target);
  expect(await changedInputs(record(), { target })).toEqual([]);
});

test('of several files each is told by itself, in whatever order they are given', async () => {
  const both = [path('retain'), path('target')];
  const hashOf = (name: string) => createHash('sha256').update(name).digest('hex');
  const several = {
    ...record({ inputs: { target: { files: [{ sha256: hashOf('target') }, { sha256: hashOf('retain') }] } } }),
    settings: { target: [path('target'), path('retain')] },
  };
  expect(await changedInputs(several, { target: both })).toEqual([]);
  await writeFile(path('retain'), 'other');
  expect(await changedInputs(several, { target: both })).toEqual([path('retain')]);
  expect(await changedInputs(several, { target: path('target') })).toEqual([]);
});
