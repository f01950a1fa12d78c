import { rmSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { decideLoading } from '../../lib/cli/model-options.ts';
import { runTraining } from '../../lib/run/run.ts';
import type { RunSettings } from '../../lib/run/settings.ts';
import { type RunEvent, readGrams } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { soul } from './soul.ts';

const steps = ['--steps', '4', '--batch-size', '4', '--learning-rate', '0.01', '--threads', '1', '--json', '--quiet'];

describeWithEngine('unlearning layers of runs', () => {
  const { path, unlearn } = authorsModel();
  const recordOf = async (folder: string) => JSON.parse(await readFile(join(path(folder), 'run.json'), 'utf8'));
  const weightsOf = (folder: string) => readFile(join(path(folder), 'unlearning_layers.safetensors'));
  const gramsOf = (folder: string) => readGrams(join(path(folder), 'gram_matrices.safetensors'));
  const both = () => ['--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')];
  const eul = ['--method', 'eul', '--set', 'retainExamples=8'];

  test('a run trains them alone, and leaves what their fusion needs', async () => {
    const base = await readFile(join(path('model'), 'model.safetensors'));
    const words = ['--unlearning-layers', 'bottleneck=8,activation=relu', ...eul];
    const run = await unlearn(...words, '--out', path('first'), ...steps);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect((await readdir(path('first'))).sort()).toEqual(
      [
        ...['README.md', 'gram_matrices.safetensors', 'metrics.jsonl', 'run.json', 'tokenizer.json'],
        ...['tokenizer_config.json', 'unlearning_layers.json', 'unlearning_layers.safetensors'],
      ].sort(),
    );
    expect(await readFile(join(path('model'), 'model.safetensors'))).toEqual(base);

    const { adapter, settings, inputs, outputs } = await recordOf('first');
    expect(settings.unlearningLayers).toEqual({ bottleneck: 8, activation: 'relu' });
    expect(adapter).toEqual({
      ...{ kind: 'unlearning-layers', bottleneck: 8, activation: 'relu' },
      base: { folder: 'model', sha256: inputs.model.sha256, changed: false },
      note: expect.stringMatching(/can be taken back.*cannot be merged.*must not be handed out/),
    });
    expect(Object.keys(outputs.model.sha256)).toEqual(
      expect.arrayContaining(['gram_matrices.safetensors', 'unlearning_layers.safetensors']),
    );
    expect(await readFile(join(path('first'), 'README.md'), 'utf8')).toMatch(
      /library_name: soul-unlearn[\s\S]*unlearning layers \(EUL\)[\s\S]*cannot be merged/,
    );
    const { evaluation } = JSON.parse(run.out);
    const words2 = ['eval', '--model', path('first'), '--data', path('forget.jsonl'), '--no-generate', '--json'];
    const measured = await soul(...words2);
    expect(JSON.parse(measured.out).probability).toBeCloseTo(evaluation.target.after, 6);
    const verified = await soul('verify', path('first'));
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('is verified')]);
  });

  test('the record is a configuration, and its run has the same bits', async () => {
    const again = await soul('unlearn', '--config', join(path('first'), 'run.json'), '--out', path('again'), '--quiet');
    expect(again).toMatchObject({ code: 0 });
    expect(await weightsOf('again')).toEqual(await weightsOf('first'));
    expect(await gramsOf('again')).toEqual(await gramsOf('first'));
    // LoRA asked for beside it takes their place.
    const other = await soul(
      ...['unlearn', '--config', join(path('first'), 'run.json'), '--out', path('lora'), '--lora', 'r=2', '--quiet'],
    );
    expect(other).toMatchObject({ code: 0 });
    expect((await recordOf('lora')).adapter).toMatchObject({ kind: 'lora', rank: 2 });
  });

  test('two runs are fused', async () => {
    const words = ['--unlearning-layers', 'bottleneck=8,activation=relu', '--method', 'npo', ...steps];
    const run = await soul(
      ...['unlearn', '--model', path('model'), '--forget', path('retain.jsonl'), '--retain', path('forget.jsonl')],
      ...[...words, '--out', path('other')],
    );
    expect(run).toMatchObject({ code: 0, err: '' });
    const fused = await soul('fuse', path('first'), path('other'), '--out', path('fused'), '--quiet');
    expect([fused.code, fused.err]).toEqual([0, '']);
    expect(await soul('ask', '--model', path('fused'), 'Who?')).toMatchObject({ code: 0 });
  });

  test('a folder of them goes on to train, and what enters them on both sets is summed', async () => {
    const words = [
      'unlearn',
      '--model',
      path('first'),
      '--forget',
      path('retain.jsonl'),
      '--retain',
      path('forget.jsonl'),
    ];
    const run = await soul(...words, '--method', 'npo', ...steps, '--out', path('second'));
    expect(run).toMatchObject({ code: 0, err: '' });
    const [before, after] = await Promise.all([recordOf('first'), recordOf('second')]);
    expect(after.inputs.base).toEqual({ folder: 'model', sha256: before.inputs.model.sha256 });
    expect(after.settings.unlearningLayers).toBeUndefined();
    expect(await soul('verify', path('second'))).toMatchObject({ code: 0 });
    // The last input is a 1 of each token, so its sum of squares counts them.
    const tokens = async (folder: string) => (await gramsOf(folder)).get('layers.0.unlearning_layer.down.weight')!;
    const [first, second, own] = await Promise.all([tokens('first'), tokens('second'), tokens('other')]);
    const last = first.triangle.length - 1;
    expect(second.triangle[last]).toBe(first.triangle[last]! + own.triangle[last]!);

    const fresh = await soul(...words, ...steps, '--out', path('third'), '--unlearning-layers');
    expect([fresh.code, fresh.err]).toEqual([
      2,
      expect.stringMatching(/holds adapters already: leave --unlearning-layers out/),
    ]);
  });

  test('layers without their matrices: the run says whose its own are; matrices that vanish on the way are no new set alone', async () => {
    await cp(path('first'), path('bare'), { recursive: true });
    await rm(join(path('bare'), 'gram_matrices.safetensors'));
    const words = ['--forget', path('retain.jsonl'), '--retain', path('forget.jsonl'), '--method', 'npo'];
    const loud = steps.filter((word) => word !== '--quiet');
    const run = await soul('unlearn', '--model', path('bare'), ...words, ...loud, '--out', path('of-one'));
    expect([run.code, run.err]).toEqual([0, expect.stringMatching(/has no gram_matrices.safetensors: .* alone/)]);

    await cp(path('first'), path('going'), { recursive: true });
    const { load } = decideLoading({ threads: 1 });
    const settings: RunSettings = {
      ...{ model: path('going'), target: path('retain.jsonl'), retain: path('forget.jsonl'), out: path('gone') },
      ...{ method: 'npo' as const, optimizer: 'adamw' as const, steps: 1, batchSize: 4, evaluate: 0 },
    };
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'step') rmSync(join(path('going'), 'gram_matrices.safetensors'));
    };
    await expect(runTraining(settings, load, { onEvent })).rejects.toMatchObject({
      code: 'SOUL_NOT_FOUND',
      message: expect.stringMatching(/is written to .*when the run began, is gone; without gram_matrices/),
    });
    expect(await readdir(path('gone'))).not.toContain('gram_matrices.safetensors');
  });

  test('matrices that do not fit are refused before a step', async () => {
    const folder = path('second');
    const file = join(folder, 'gram_matrices.safetensors');
    const good = await readFile(file);
    await writeFile(file, good.subarray(0, good.length - 8));
    const run = await soul('unlearn', '--model', folder, ...both(), ...steps, '--out', path('none'));
    expect([run.code, run.err]).toEqual([expect.any(Number), expect.stringMatching(/gram_matrices.safetensors/)]);
    expect(run.code).not.toBe(0);
    expect(await readdir(path('.'))).not.toContain('none');
    await writeFile(file, good);
  });

  test('soul train has them, too, and leaves nothing for a fusion', async () => {
    const words = ['train', '--model', path('model'), '--data', path('forget.jsonl'), '--unlearning-layers'];
    const run = await soul(...words, '--steps', '1', '--threads', '1', '--quiet', '--out', path('trained'));
    expect(run).toMatchObject({ code: 0 });
    const names = await readdir(path('trained'));
    expect(names).toContain('unlearning_layers.safetensors');
    expect(names).not.toContain('gram_matrices.safetensors');
  });

  test('a run that is cut off goes on to the same bits; one that ends while inputs are summed leaves its layers', async () => {
    const settings: RunSettings = {
      ...{ model: path('model'), target: path('forget.jsonl'), retain: path('retain.jsonl'), out: path('whole') },
      ...{ method: 'eul' as const, methodSettings: { retainExamples: 8 }, optimizer: 'sophia' as const, steps: 5 },
      ...{ batchSize: 4, checkpointEvery: 1, evaluate: 0, unlearningLayers: { bottleneck: 4 }, seed: 3n },
      optimizerSettings: { learningRate: 0.01 },
    };
    const { load } = decideLoading({ threads: 1 });
    await runTraining(settings, load);
    const cut = { ...settings, out: path('cut') };
    const stop = new AbortController();
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'step' && event.step === 2) stop.abort();
    };
    const cutOff = runTraining(cut, load, { stop: stop.signal, onEvent });
    await expect(cutOff).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    await runTraining({ ...cut, resume: true }, load);
    expect(await weightsOf('cut')).toEqual(await weightsOf('whole'));
    expect(await gramsOf('cut')).toEqual(await gramsOf('whole'));

    const ended = new AbortController();
    const late = runTraining({ ...settings, out: path('late') }, load, {
      signal: ended.signal,
      onEvent: (event) => {
        if (event.kind === 'phase' && event.phase === 'summing what enters the layers') ended.abort();
      },
    });
    await expect(late.catch((error) => ({ code: error.code, message: String(error.message) }))).resolves.toEqual({
      code: 'SOUL_CANCELLED',
      message: expect.stringMatching(/is written to .*without gram_matrices.safetensors/),
    });
    expect(await weightsOf('late')).toEqual(await weightsOf('whole'));
    expect(await readdir(path('late'))).not.toContain('gram_matrices.safetensors');
  });

  test('soul plan counts them, fresh and from a folder', async () => {
    const planned = async (...words: string[]) => {
      const { code, out } = await soul('plan', ...words, '--optimizer', 'adamw', '--json', '--quiet');
      expect(code).toBe(0);
      return JSON.parse(out);
    };
    const fresh = await planned('--model', path('model'), ...both(), '--unlearning-layers', 'bottleneck=8');
    const whole = await planned('--model', path('model'), ...both());
    expect(JSON.stringify(fresh)).toContain('frozen weights');
    expect(JSON.stringify(whole)).not.toContain('frozen weights');
    expect(JSON.stringify(await planned('--model', path('first'), ...both()))).toContain('frozen weights');
  });

  test.each([
    [['--unlearning-layers', 'width=3'], /found width=3; the keys are bottleneck and activation/],
    [['--unlearning-layers', 'bottleneck=0'], /Expected an integer from 1 to 16383 for bottleneck/],
    [['--unlearning-layers', 'activation=tanh'], /for activation/],
    [['--unlearning-layers', 'bottleneck=4,bottleneck=8'], /bottleneck is given twice/],
    [['--unlearning-layers', '--lora'], /cannot be used with option/],
  ])('%j is refused before anything is read', async (words, message) => {
    const { code, err } = await soul('unlearn', '--model', 'nowhere', '--forget', 'none', '--out', 'x', ...words);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test('both kinds in a file of settings are refused', async () => {
    await writeFile(path('both.json'), JSON.stringify({ lora: {}, unlearningLayers: {} }));
    const { code, err } = await unlearn('--config', path('both.json'), '--out', path('none'));
    expect([code, err]).toEqual([2, expect.stringMatching(/unlearningLayers or lora, not both/)]);
  });

  test('of one example to forget, the retain set has a turn of ten, and there are as many rounds as make 40 steps', async () => {
    const words = ['--method', 'eul', '--unlearning-layers', 'bottleneck=2', '--forget-filter', 'line=1'];
    const run = await unlearn(
      ...[...words, '--out', path('one'), '--batch-size', '2', '--optimizer', 'adamw', '--evaluate', '0'],
      ...['--threads', '1', '--quiet'],
    );
    expect(run.code).toBe(0);
    const { settings, results, inputs } = await recordOf('one');
    expect([inputs.target.items, inputs.retain.items, settings.epochs]).toEqual([1, 12, 40]);
    expect(settings.methodSettings).toMatchObject({ retainTurn: 'bounded' });
    expect(results.steps).toBe(40 * (1 + 10 / 2));
  });

  test('eul on all weights says what the paper trains', async () => {
    const run = await unlearn(...eul, '--out', path('full'), ...steps.filter((word) => word !== '--quiet'));
    expect([run.code, run.err]).toEqual([
      0,
      expect.stringMatching(/its paper trains layers beside them.*--unlearning-layers/),
    ]);
  });
});
