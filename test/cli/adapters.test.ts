import { writeFileSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { decideLoading } from '../../lib/cli/model-options.ts';
import { runTraining } from '../../lib/run/run.ts';
import type { RunSettings } from '../../lib/run/settings.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { soul } from './soul.ts';

const steps = ['--steps', '4', '--batch-size', '4', '--learning-rate', '0.01', '--threads', '1', '--json', '--quiet'];

describeWithEngine('adapters of runs', () => {
  const { path, unlearn } = authorsModel();
  const recordOf = async (folder: string) => JSON.parse(await readFile(join(path(folder), 'run.json'), 'utf8'));
  const weightsOf = (folder: string) => readFile(join(path(folder), 'adapter_model.safetensors'));
  const both = () => ['--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')];

  test('a run trains adapters alone, and leaves a folder that every command takes', async () => {
    const base = await readFile(join(path('model'), 'model.safetensors'));
    const run = await unlearn('--lora', 'r=4,targets=q_proj+down_proj,rslora', '--out', path('first'), ...steps);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect((await readdir(path('first'))).sort()).toEqual(
      [
        ...['README.md', 'adapter_config.json', 'adapter_model.safetensors', 'metrics.jsonl', 'run.json'],
        ...['tokenizer.json', 'tokenizer_config.json'],
      ].sort(),
    );
    expect(await readFile(join(path('model'), 'model.safetensors'))).toEqual(base);
    const { evaluation, reversible } = JSON.parse(run.out);
    expect(reversible).toMatch(/^a deletion that can be taken back: .*merging \(soul merge\) is what deletes$/);
    expect(evaluation.target.after).toBeLessThan(evaluation.target.before);

    const { adapter, settings, inputs } = await recordOf('first');
    expect(settings.lora).toEqual({ rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'], rankStabilised: true });
    expect(adapter).toEqual({
      ...{ kind: 'lora', ...settings.lora },
      base: { folder: 'model', sha256: inputs.model.sha256, changed: false },
      note: expect.stringContaining('can be taken back'),
    });
    expect(await readFile(join(path('first'), 'README.md'), 'utf8')).toMatch(
      /library_name: peft[\s\S]*can be taken back/,
    );

    const measured = await soul(
      'eval',
      '--model',
      path('first'),
      '--data',
      path('forget.jsonl'),
      '--no-generate',
      '--json',
    );
    expect(measured.code).toBe(0);
    expect(JSON.parse(measured.out).probability).toBeCloseTo(evaluation.target.after, 6);
    expect(await soul('ask', '--model', path('model'), '--model', path('first'), 'Who?')).toMatchObject({ code: 0 });
    const attacked = await soul(
      ...['attack', '--model', path('first'), '--forget', path('forget.jsonl'), '--kinds', 'quantize', '--json'],
    );
    expect(attacked.code).toBe(0);
    expect(await soul('data', path('forget.jsonl'), '--model', path('first'))).toMatchObject({ code: 0 });
    const verified = await soul('verify', path('first'));
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('is verified')]);
  });

  test('the record is a configuration, and its run has the same bits', async () => {
    const again = await soul('unlearn', '--config', join(path('first'), 'run.json'), '--out', path('again'), '--quiet');
    expect(again).toMatchObject({ code: 0 });
    expect(await weightsOf('again')).toEqual(await weightsOf('first'));
  });

  test('verify tells a base that is another', async () => {
    await cp(path('model'), path('other'), { recursive: true });
    const config = JSON.parse(await readFile(join(path('other'), 'config.json'), 'utf8'));
    await writeFile(join(path('other'), 'config.json'), JSON.stringify({ ...config, rope_theta: 5000 }));
    const { code, out } = await soul('verify', path('first'), '--base', path('other'));
    expect([code, out]).toEqual([1, expect.stringMatching(/base: .*config\.json: expected SHA-256/)]);
    expect(await soul('verify', path('first'), '--base', path('model'))).toMatchObject({ code: 0 });
  });

  test('a folder of adapters goes on to train, from where it stands', async () => {
    const more = ['unlearn', '--model', path('first'), ...both(), ...steps];
    const run = await soul(...more, '--out', path('second'));
    expect(run).toMatchObject({ code: 0, err: '' });
    const [before, after] = await Promise.all([recordOf('first'), recordOf('second')]);
    expect(after.inputs.base).toEqual({ folder: 'model', sha256: before.inputs.model.sha256 });
    expect(after.adapter).toMatchObject({ rank: 4, base: { changed: false } });
    expect(JSON.parse(run.out).evaluation.target.before).toBeCloseTo(before.results.evaluation.target.after, 6);
    expect(await soul('verify', path('second'))).toMatchObject({ code: 0 });

    const fresh = await soul(...more, '--out', path('third'), '--lora');
    expect([fresh.code, fresh.err]).toEqual([2, expect.stringMatching(/holds adapters already: leave --lora out/)]);
    const wrong = await unlearn('--base', path('model'), '--out', path('third'), ...steps);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringMatching(/is a whole model; leave it out/)]);
  });

  test('adapters that go on beside another base than they were trained on: the run says so', async () => {
    const more = ['unlearn', '--model', path('first'), ...both(), ...steps.filter((word) => word !== '--quiet')];
    const same = await soul(...more, '--base', path('model'), '--out', path('same-base'));
    expect([same.code, same.err]).toEqual([0, expect.not.stringContaining('another base')]);
    const run = await soul(...more, '--base', path('other'), '--out', path('other-base'));
    expect([run.code, run.err]).toEqual([0, expect.stringMatching(/trained on another base .*\(config\.json\)/)]);
  });

  test('a base that changes while a run goes on: the run, its record and its card say so', async () => {
    await cp(path('model'), path('moving'), { recursive: true });
    const settings: RunSettings = {
      ...{ model: path('moving'), target: path('forget.jsonl'), retain: path('retain.jsonl'), out: path('moved') },
      ...{
        method: 'npo' as const,
        optimizer: 'adamw' as const,
        steps: 1,
        batchSize: 4,
        evaluate: 0,
        lora: { rank: 2 },
      },
    };
    const notes: string[] = [];
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'note') notes.push(event.text);
      if (event.kind === 'step') writeFileSync(join(path('moving'), 'generation_config.json'), '{}');
    };
    await runTraining(settings, decideLoading({ threads: 1 }).load, { onEvent });
    expect(notes).toContainEqual(expect.stringMatching(/moving, the base of the adapters, changed/));
    expect((await recordOf('moved')).adapter.base.changed).toBe(true);
    expect(await readFile(join(path('moved'), 'README.md'), 'utf8')).toMatch(/files of that model became others/);
    expect(await readFile(join(path('first'), 'README.md'), 'utf8')).not.toMatch(/files of that model became others/);
  });

  test('what it compares with are the adapters that it began with', async () => {
    // With the whole distance to the start in the loss, the first step has none: KL of the model with itself.
    const run = await soul(
      ...['unlearn', '--model', path('first'), ...both(), '--out', path('held'), ...steps],
      ...['--method', 'graddiff', '--set', 'retainLoss=kl', '--optimizer', 'adamw'],
    );
    expect(run).toMatchObject({ code: 0, err: '' });
    const [first, , , last] = (await readFile(join(path('held'), 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(Math.abs(first.losses.retain)).toBeLessThan(1e-6);
    expect(last.losses.retain).toBeGreaterThan(1e-5);
  });

  test('a run that is cut off goes on to the same bits', async () => {
    const settings: RunSettings = {
      ...{ model: path('model'), target: path('forget.jsonl'), retain: path('retain.jsonl'), out: path('whole') },
      ...{
        method: 'npo' as const,
        optimizer: 'sophia' as const,
        steps: 5,
        batchSize: 4,
        checkpointEvery: 1,
        evaluate: 0,
      },
      ...{ lora: { rank: 2 }, optimizerSettings: { learningRate: 0.01 }, seed: 3n },
    };
    const { load } = decideLoading({ threads: 1 });
    await runTraining(settings, load);
    const cut = { ...settings, out: path('cut') };
    for (const last of [1, 3]) {
      const stop = new AbortController();
      const onEvent = (event: RunEvent) => {
        if (event.kind === 'step' && event.step === last) stop.abort();
      };
      const cutOff = runTraining({ ...cut, resume: last > 1 }, load, { stop: stop.signal, onEvent });
      await expect(cutOff).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    }
    await runTraining({ ...cut, resume: true }, load);
    expect(await weightsOf('cut')).toEqual(await weightsOf('whole'));
    const { results } = await recordOf('cut');
    expect(results.statistics.groups.map(({ name }: { name: string }) => name)).toEqual(['A', 'B']);
  });

  test.each([
    ['r=4,k=3', /found k=3; the keys are r, alpha, targets and rslora/],
    ['r=0', /Expected an integer from 1 to 65536 for r/],
    ['r=4,r=8', /r is given twice/],
    ['alpha=-1', /for alpha/],
    ['targets=q_proj++v_proj', /for targets/],
    ['rslora=1', /found rslora=1/],
  ])('--lora %s is refused before anything is read', async (text, message) => {
    const { code, err } = await soul('unlearn', '--model', 'nowhere', '--forget', 'none', '--out', 'x', '--lora', text);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test.each([
    ['targets that the model does not have', ['--lora', 'targets=c_attn'], /its linear layers are q_proj/],
    ['ssd on fresh adapters', ['--lora', '--method', 'ssd'], /fresh adapters hold nothing yet/],
    ['prune on fresh adapters', ['--lora', '--method', 'prune'], /fresh adapters hold nothing yet/],
    ['wagle on fresh adapters', ['--lora', '--method', 'wagle'], /fresh adapters hold nothing yet/],
    ['A alone of fresh adapters', ['--lora', '--trainable', 'lora_A'], /of fresh adapters B .* must be among/],
    ['a name of no tensor of theirs', ['--lora', '--frozen', 'embed_tokens'], /frozen matches no tensor/],
    ['rmu without its matrices', ['--lora', 'targets=q_proj', '--method', 'rmu'], /name that of layer 0 among/],
  ])('%s: refused with the reason', async (_, words, message) => {
    const load = TorchLM.load;
    let loads = 0;
    TorchLM.load = ((...given: Parameters<typeof load>) => {
      loads += 1;
      return load(...given);
    }) as typeof load;
    const { code, err } = await unlearn(...words, '--out', path('none'), '--quiet').finally(() => {
      TorchLM.load = load;
    });
    expect([code, err, loads]).toEqual([2, expect.stringMatching(message), 0]);
  });
});
