import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { TorchLM } from '../../lib/torch/index.ts';
import { moveFactors } from '../torch/adapter-models.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;
const path = (name: string) => join(folder, name);

describeWithEngine('soul merge', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-merge-'));
    await writeSmallModel(folder);
    const adapter = { kind: 'lora', rank: 2, targets: 'all-linear' } as const;
    const model = await TorchLM.load(path('model'), { threads: 1, adapter });
    await moveFactors(model, 'B', 2);
    await model.save(path('adapter'));
    model.release();
    await mkdir(path('recorded'));
    await writeFile(join(path('recorded'), 'run.json'), '{}');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const words = ['--device', 'cpu', '--threads', '1', '--quiet'];
  const measured = async (model: string) => {
    const { code, out, err } = await captured(
      ...['eval', '--model', path(model), '--data', path('data.jsonl'), '--max-new-tokens', '5', '--json', ...words],
    );
    expect([code, err]).toEqual([0, '']);
    return JSON.parse(out);
  };

  test('writes a whole model that answers as its base with the adapters does', async () => {
    const { code, out } = await captured(
      ...['merge', path('adapter'), '--out', path('merged'), '--threads', '1', '--quiet', '--json'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ base: path('model'), dtype: 'f32', rank: 2, alpha: 4, matrices: 7 });
    expect((await readdir(path('merged'))).sort()).toEqual((await readdir(path('model'))).sort());
    const [base, adapted, merged] = [await measured('model'), await measured('adapter'), await measured('merged')];
    expect(Math.abs(adapted.meanNegativeLogLikelihood - base.meanNegativeLogLikelihood)).toBeGreaterThan(1e-2);
    expect(merged.meanNegativeLogLikelihood).toBeCloseTo(adapted.meanNegativeLogLikelihood, 6);
    expect(merged.rougeLRecall).toBe(adapted.rougeLRecall);
    const asked = await captured(
      'ask',
      '--model',
      path('adapter'),
      '--model',
      path('merged'),
      'Who?',
      '--json',
      ...words,
    );
    const [{ answers }] = JSON.parse(asked.out).questions;
    expect(answers[0].answer).toBe(answers[1].answer);
  });

  test('in bf16 where it is asked for', async () => {
    const { code } = await captured(
      ...['merge', path('adapter'), '--base', path('model'), '--out', path('narrow'), '--dtype', 'bf16'],
      ...['--threads', '1', '--quiet'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(await readFile(join(path('narrow'), 'config.json'), 'utf8'))).toMatchObject({
      dtype: 'bfloat16',
    });
    // That is what it then keeps to, by the key of older versions of transformers too.
    const config = join(path('narrow'), 'config.json');
    const { dtype: _, ...older } = JSON.parse(await readFile(config, 'utf8'));
    expect(older).toMatchObject({ torch_dtype: 'bfloat16' });
    await writeFile(config, JSON.stringify(older));
    const again = await captured(
      ...[
        'merge',
        path('adapter'),
        '--base',
        path('narrow'),
        '--out',
        path('again'),
        '--threads',
        '1',
        '--quiet',
        '--json',
      ],
    );
    expect(JSON.parse(again.out)).toMatchObject({ dtype: 'bf16' });
  });

  test.each([
    [['model', '--out', 'new'], /is a whole model: there is nothing to merge/],
    [['adapter', '--out', 'model'], /is the base of the adapters: .* they would count twice/],
    [['adapter', '--out', 'model', '--overwrite'], /is the base of the adapters: .* they would count twice/],
    [['adapter', '--out', 'adapter', '--overwrite'], /holds adapters \(adapter_config\.json\)/],
    [['adapter', '--out', 'recorded', '--overwrite'], /recorded was made by a run, whose record/],
    [['adapter', '--out', 'merged'], /holds a model already \(config\.json\)/],
    [['adapter', '--out', 'new', '--base', 'nowhere'], /nowhere does not exist/],
    [['adapter', '--out', 'new', '--base', 'adapter'], /is an adapter itself/],
    [['nowhere', '--out', 'new'], /nowhere does not exist/],
    [['adapter'], /required option '--out <folder>' is missing/],
  ])('%p is refused before a model is loaded, and nothing is written', async ([adapter, ...rest], message) => {
    const load = jest.spyOn(TorchLM, 'load');
    const given = rest.map((word) => (word.startsWith('--') ? word : path(word)));
    const { code, err } = await captured('merge', path(adapter!), ...given, '--quiet');
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
    expect(await readdir(folder)).not.toContain('new');
    expect(load).not.toHaveBeenCalled();
    load.mockRestore();
  });
});
