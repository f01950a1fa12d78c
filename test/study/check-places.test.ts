import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { toJson } from '../../lib/core/json.ts';
import { writeSafetensors } from '../../lib/core/safetensors.ts';
import { checkPlaces, type StudyFile, studyFrom } from '../../lib/study/index.ts';
import { smallStudy } from './small-study.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'places-'));
  await mkdir(join(folder, 'model'));
  await mkdir(join(folder, 'empty'));
  await writeFile(join(folder, 'model', 'config.json'), toJson({ model_type: 'llama' }));
  await writeFile(join(folder, 'model', 'tokenizer.json'), '{}');
  await writeSafetensors(join(folder, 'model', 'model.safetensors'), []);
  for (const name of ['f.jsonl', 'r.jsonl', 'u.jsonl', 'forget10_perturbed.json'])
    await writeFile(join(folder, name), '{}');
});
afterAll(() => rm(folder, { recursive: true }));

const studyOf = (model: object, split: object = {}) =>
  studyFrom(
    {
      models: [
        { name: 'first', model: 'model' },
        { name: 'm', ...model },
      ],
      splits: [{ name: 's', forget: 'f.jsonl', retain: ['f.jsonl', 'r.jsonl'], ...split }],
      methods: ['graddiff'],
      optimizers: ['adamw'],
    } satisfies Partial<Record<keyof StudyFile, unknown>>,
    { folder, name: 'x' },
  );

test('a study whose files are all there is let be', async () => {
  const split = { utility: { u: 'u.jsonl' }, tofu: '.', tofuSplit: 'forget10' };
  await checkPlaces(studyOf({ model: 'model', retrained: 'model' }, split));
  await checkPlaces(studyOf({ base: 'model' }));
  await checkPlaces(smallStudy());
});

test.each<[string, object, object, RegExp, string]>([
  ['a model', { model: 'none' }, {}, /^models\[1\].model: .*none/, 'SOUL_NOT_FOUND'],
  ['a base', { base: 'f.jsonl' }, {}, /^models\[1\].base: /, 'SOUL_BAD_FILE'],
  ['a retrained model', { model: 'model', retrained: 'empty' }, {}, /^models\[1\].retrained: /, 'SOUL_NOT_FOUND'],
  [
    'a file',
    { model: 'model' },
    { retain: ['r.jsonl', 'q.jsonl'] },
    /^splits\[0\].retain: .*q.jsonl does not exist/,
    'SOUL_NOT_FOUND',
  ],
  [
    'a folder for a file',
    { model: 'model' },
    { forget: 'empty' },
    /^splits\[0\].forget: .*empty is no file/,
    'SOUL_BAD_FILE',
  ],
  ['another set', { model: 'model' }, { utility: { u: 'v.jsonl' } }, /^splits\[0\].utility.u: /, 'SOUL_NOT_FOUND'],
  [
    "TOFU's set",
    { model: 'model' },
    { tofu: '.', tofuSplit: 'forget05' },
    /^splits\[0\].tofu: .*forget05_perturbed.json does not exist/,
    'SOUL_NOT_FOUND',
  ],
])('%s that is not there is told with its place', async (_, model, split, message, code) => {
  const failure = await checkPlaces(studyOf(model, split)).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
});
