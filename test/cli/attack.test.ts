import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-attack-'));
  await writeSmallModel(folder);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const attack = (...words: string[]) => {
  const given = ['--model', join(folder, 'model'), '--forget', join(folder, 'data.jsonl')];
  return captured('attack', ...given, '--device', 'cpu', '--quiet', ...words);
};

test('attacks are told before and after, and leave the folder as it was', async () => {
  const weights = join(folder, 'model', 'model.safetensors');
  const before = await readFile(weights);
  const model = join(folder, 'model');
  const kinds = ['--kinds', 'relearn,quantize,surviving-updates', '--formats', 'nf4,int8'];
  const settings = ['--steps', '3', '--learning-rate', '0.01', '--original', model, '--retrained', model];
  const { code, out } = await attack(...kinds, ...settings, '--json');
  expect(code).toBe(0);
  const { attacks, robustness } = JSON.parse(out);
  expect(attacks.map(({ kind, variant }: { kind: string; variant?: string }) => [kind, variant])).toEqual([
    ...[
      ['relearn', undefined],
      ['quantize', 'nf4'],
      ['quantize', 'int8'],
    ],
    ...[
      ['surviving-updates', 'nf4'],
      ['surviving-updates', 'int8'],
    ],
  ]);
  const [relearned] = attacks;
  expect(relearned.forget.after).toBeGreaterThan(relearned.forget.before);
  expect(relearned.steps).toBe(3);
  // The same weights learn the same.
  expect(robustness.relearning).toBe(1);
  expect(attacks.at(-1).details.changed).toBe(0);
  expect(await readFile(weights)).toEqual(before);
});

test.each([
  ['relern', 'relearn'],
  ['relearn,relearn', 'named twice'],
  ['paraphrase', 'paraphrased_question'],
  ['relearn-unrelated', '--unrelated'],
  ['surviving-updates', '--original'],
  ['relearn-disjoint', 'at least two examples'],
])('--kinds %s is refused with what is missing', async (kinds, words) => {
  const { code, err } = await attack('--kinds', kinds);
  expect(code).toBe(2);
  expect(err).toContain(words);
});

test('a retrained model with other heads is refused, though its weights have the same shapes', async () => {
  const other = join(folder, 'other');
  await cp(join(folder, 'model'), other, { recursive: true });
  const config = JSON.parse(await readFile(join(other, 'config.json'), 'utf8'));
  const changed = { ...config, num_attention_heads: 4, num_key_value_heads: 4, head_dim: 4 };
  await writeFile(join(other, 'config.json'), JSON.stringify(changed));
  const { code, err } = await attack('--kinds', 'relearn', '--retrained', other);
  expect(code).toBe(2);
  expect(err).toContain('heads in config.json');
});
