import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readYamlFile } from '../../lib/core/yaml-file.ts';
import { runSettingsFromJson } from '../../lib/run/index.ts';
import { captured } from './captured.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-print-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const printed = async (...words: string[]) => {
  const { code, out, err } = await captured(...words, '--print-config');
  expect([code, err]).toEqual([0, '']);
  return out;
};

test('as YAML and as JSON it is the same, a fixed point, and has what was given with all defaults', async () => {
  const words = [
    ...['unlearn', '--model', 'm', '--forget', 'f.jsonl', '--retain', 'r.jsonl', '--out', 'o: #1', '--method', 'npo'],
    ...['--set', 'beta=0.3', '--seed', '18446744073709551615', '--learning-rate', '2e-5', '--frozen', 'norm|[0-9]'],
    ...[
      '--states',
      'bf16',
      '--weight-decays',
      'matrix=0',
      '--template',
      'Q: {question}\\nA: {answer}',
      '--dtype',
      'bf16',
    ],
  ];
  const yaml = await printed(...words);
  const json = JSON.parse(await printed(...words, '--json'));
  await writeFile(path('run.yaml'), yaml);
  const settings = runSettingsFromJson(await readYamlFile(path('run.yaml')));
  expect(settings).toEqual(runSettingsFromJson(json));
  expect(settings).toMatchObject({
    ...{ model: 'm', target: 'f.jsonl', retain: 'r.jsonl', out: 'o: #1', method: 'npo', optimizer: 'sophia' },
    ...{ methodSettings: { beta: 0.3, reduction: 'sum' }, seed: 2n ** 64n - 1n, frozen: 'norm|[0-9]' },
    ...{ optimizerSettings: { learningRate: 2e-5, precision: { states: 'bf16' }, weightDecays: { matrix: 0 } } },
    ...{ template: 'Q: {question}\nA: {answer}', load: { device: 'auto', dtype: 'bf16' }, curvature: { every: 20 } },
    ...{ batchSize: 8, schedule: 'linear', evaluate: 100, hessianData: 'retain' },
  });
  expect(await printed('unlearn', '--config', path('run.yaml'))).toBe(yaml);
});

test('what depends on model and data, and what nobody named, stays open', async () => {
  const yaml = await printed('unlearn', '--method', 'npo');
  for (const name of ['model', 'target', 'out', 'retain', '  learningRate', 'epochs']) {
    expect(yaml).toMatch(new RegExp(`^${name.replace(/\w+/, '# $&')}:$`, 'm'));
  }
  await writeFile(path('open.yml'), yaml);
  const settings = runSettingsFromJson(await readYamlFile(path('open.yml')));
  for (const name of ['model', 'target', 'out', 'retain', 'epochs', 'steps']) expect(settings).not.toHaveProperty(name);
  expect(settings.optimizerSettings).not.toHaveProperty('learningRate');
  expect(await captured('unlearn', '--config', path('open.yml'))).toMatchObject({
    code: 2,
    err: expect.stringMatching(/has what the run needs: --model, --forget \(target\), --out/),
  });
  for (const line of yaml.split('\n')) expect(line.startsWith('#') ? line.length : 0).toBeLessThanOrEqual(102);
});

test('training has its own; settings that do not fit are refused as by a run', async () => {
  const yaml = await printed('train', '--data', 'd.jsonl', '--steps', '5');
  expect(yaml).toMatch(/^method: finetune$/m);
  expect(yaml).toMatch(/^optimizer: adamw$/m);
  expect(yaml).toMatch(/^steps: 5$/m);
  expect(await captured('unlearn', '--optimizer', 'adamw', '--rho', '1', '--print-config')).toMatchObject({
    code: 2,
    err: expect.stringContaining('rho is a setting of sophia and soul-repo, not of adamw'),
  });
});

test('what the filter leaves to keep needs no retain file', async () => {
  const words = ['unlearn', '--forget', 'f.jsonl', '--forget-filter', 'author=a', '--retain-rest'];
  const yaml = await printed(...words, '--optimizer', 'adamw');
  await writeFile(path('rest.yaml'), yaml);
  expect(await printed('unlearn', '--config', path('rest.yaml'))).toBe(yaml);
  expect(yaml).toMatch(/^retainRest: true$/m);
  expect(yaml).toMatch(/^# retain:$/m);
});
