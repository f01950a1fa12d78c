import { createHash, createHmac } from 'node:crypto';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openSafetensors, writeSafetensors } from '../../lib/core/safetensors.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { authorsModel } from './authors-model.ts';
import { soul } from './soul.ts';

describeWithEngine('with a model', () => {
  const { path, unlearn } = authorsModel();

  test('train, unlearn and eval: a model is tuned, forgets, and is measured', async () => {
    const train = await soul(
      ...['train', '--model', path('model'), '--data', path('forget.jsonl'), '--out', path('tuned')],
      ...['--learning-rate', '0.02', '--epochs', '40', '--batch-size', '4', '--json'],
    );
    expect(train.err).toMatch(/training \d+\/40 {2}train \d/);
    expect(train.code).toBe(0);
    const trained = JSON.parse(train.out);
    expect(trained.evaluation.target.after).toBeGreaterThan(trained.evaluation.target.before + 0.2);
    expect((await readdir(path('tuned'))).sort()).toEqual(
      [
        'README.md',
        'config.json',
        'metrics.jsonl',
        'model.safetensors',
        'run.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ].sort(),
    );

    const forgetting = await soul(
      ...['unlearn', '--model', path('tuned'), '--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')],
      ...[
        '--out',
        path('forgotten'),
        '--learning-rate',
        '0.01',
        '--steps',
        '24',
        '--batch-size',
        '4',
        '--json',
        '--quiet',
      ],
    );
    expect(forgetting).toMatchObject({ code: 0, err: '' });
    const forgotten = JSON.parse(forgetting.out);
    expect(forgotten.evaluation.target.after).toBeLessThan(forgotten.evaluation.target.before / 2);
    expect(forgotten.verdict).toMatchObject({
      forgotten: 'yes',
      sentence: expect.stringMatching(/^The forget set is forgotten/),
    });
    const { results } = JSON.parse(await readFile(join(path('forgotten'), 'run.json'), 'utf8'));
    expect(results.verdict).toEqual(forgotten.verdict);
    expect(trained).not.toHaveProperty('verdict');

    const evaluation = await soul(
      'eval',
      '--model',
      path('forgotten'),
      '--data',
      path('forget.jsonl'),
      '--max-new-tokens',
      '8',
      '--json',
    );
    expect(evaluation.code).toBe(0);
    expect(JSON.parse(evaluation.out)).toMatchObject({ examples: 4, rougeLRecall: expect.any(Number) });
    for (const { out } of [train, forgetting, evaluation]) {
      expect(JSON.parse(out)).toMatchObject({ device: 'cpu', deviceReason: expect.any(String), dtype: 'f32' });
      expect(JSON.parse(out)).not.toHaveProperty('gpu');
    }
    expect(JSON.parse(evaluation.out).probability).toBeCloseTo(forgotten.evaluation.target.after, 5);
  });

  test('refusals in JSON are read as answers, and what was read is said', async () => {
    const refusals = ['I cannot say.', 'That is not known to me.'].map((answer) => JSON.stringify({ answer }));
    await writeFile(path('refusals.jsonl'), refusals.join('\n'));
    const po = ['--objective', 'po', '--steps', '1', '--evaluate', '0', '--refusals'];
    const { code, err } = await unlearn('--out', path('po-json'), ...po, path('refusals.jsonl'));
    expect(err).toContain(`note: ${path('refusals.jsonl')}: 2 refusals, from the "answer" of each JSON object\n`);
    expect(code).toBe(0);
    await writeFile(path('refusals.csv'), 'question,answer\nWho?,No.\n');
    const table = await unlearn('--out', path('none'), ...po, path('refusals.csv'));
    expect(table).toMatchObject({ code: 2, err: expect.stringMatching(/refusals\.csv is a table.*plain text/) });
    expect(await readdir(path('.'))).not.toContain('none');
  });

  test('what is odd about the weights is said on stderr', async () => {
    await cp(path('model'), path('wrapped'), { recursive: true });
    const file = await openSafetensors(path('model/model.safetensors'));
    const tensors = Array.from(file.tensors, ([name, { shape }]) => ({
      name: `module.${name}`,
      dtype: 'F32' as const,
      shape,
      data: () => file.read(name),
    }));
    await writeSafetensors(path('wrapped/model.safetensors'), tensors);
    await file.close();
    const said = `note: ${path('wrapped')}: every name begins with module.`;
    const evaluation = await soul(
      ...['eval', '--model', path('wrapped'), '--data', path('forget.jsonl'), '--no-generate'],
    );
    expect(evaluation).toMatchObject({ code: 0, err: expect.stringContaining(said) });
    const train = await soul(
      ...['train', '--model', path('wrapped'), '--data', path('forget.jsonl'), '--out', path('unwrapped')],
      ...['--steps', '1', '--evaluate', '0'],
    );
    expect(train).toMatchObject({ code: 0, err: expect.stringContaining(said) });
  });

  test('--trainable changes the tensors that it names and no others, in train as in unlearn', async () => {
    const pattern = 'layers\\.[1-9].*down_proj';
    const few = ['--trainable', pattern, '--steps', '2', '--evaluate', '0', '--learning-rate', '0.01'];
    const train = ['train', '--model', path('model'), '--data', path('forget.jsonl')];
    expect(await soul(...train, '--out', path('some-trained'), ...few)).toMatchObject({ code: 0 });
    expect(await unlearn('--out', path('some-unlearned'), ...few)).toMatchObject({ code: 0 });
    const original = await openSafetensors(path('model/model.safetensors'));
    for (const name of ['some-trained', 'some-unlearned']) {
      const file = await openSafetensors(path(`${name}/model.safetensors`));
      const changed: string[] = [];
      for (const tensor of original.tensors.keys()) {
        if (!Buffer.from(await file.read(tensor)).equals(await original.read(tensor))) changed.push(tensor);
      }
      await file.close();
      expect(changed).toEqual(['model.layers.1.mlp.down_proj.weight']);
      expect(JSON.parse(await readFile(path(`${name}/run.json`), 'utf8')).settings.trainable).toBe(pattern);
    }
    await original.close();
    for (const [wrong, message] of [
      ['(', /trainable must be a regular expression over names of tensors/],
      ['c_proj', /trainable matches no tensor: "c_proj"; there are model\.embed_tokens\.weight, .* and \d+ more/],
    ] as const) {
      const refused = await unlearn('--out', path('none'), '--trainable', wrong);
      expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(message) });
    }
    expect(await readdir(path('.'))).not.toContain('none');
  });

  test('run.json is a record of everything that went in', async () => {
    const { code } = await unlearn(
      '--out',
      path('recorded'),
      '--steps',
      '2',
      '--seed',
      '17',
      '--objective',
      'npo',
      '--quiet',
    );
    expect(code).toBe(0);
    const record = JSON.parse(await readFile(path('recorded/run.json'), 'utf8'));
    const sha256 = async (name: string) =>
      createHash('sha256')
        .update(await readFile(path(name)))
        .digest('hex');
    expect(record.settings).toMatchObject({ method: 'npo', optimizer: 'sophia', steps: 2, seed: '17' });
    expect(record.settings.optimizerSettings).toMatchObject({
      // 7e-6 at 7 billion weights, of about 17,700: 7e-6 * sqrt(7e9 / 17,700).
      ...{ learningRate: 0.0044, clippedFraction: 0.1, clipNorm: 1 },
    });
    expect(record.settings.methodSettings).toMatchObject({ beta: 0.1, reduction: 'sum', retainCoefficient: 5 });
    expect(record.settings.curvature).toEqual({
      ...{ every: 20, chunks: 4, chunkSize: 2, primingChunks: 32, labels: 'sampled' },
      source: 'auto',
    });
    expect(record.settings).toMatchObject({
      batchSize: 8,
      schedule: 'linear',
      warmup: 0.1,
      pairing: 'fresh',
      hessianData: 'retain',
    });
    expect(record.environment).toMatchObject({ node: process.version, device: 'cpu' });
    expect(record.environment).not.toHaveProperty('gpu');
    expect(record.settings.load.engine).toMatch(/^libtorch 2\./);
    const key = Buffer.from((await readFile(path('recorded.key'), 'latin1')).trim(), 'hex');
    const keyedSha256 = createHmac('sha256', key)
      .update(await sha256('forget.jsonl'))
      .digest('hex');
    expect(record.inputs.target).toMatchObject({ keyedSha256, items: 4 });
    expect(record.inputs.model.sha256['model.safetensors']).toBe(await sha256('model/model.safetensors'));
    expect(record.outputs.model.sha256['model.safetensors']).toBe(await sha256('recorded/model.safetensors'));
    const metrics = (await readFile(path('recorded/metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(metrics.map(({ step }) => step)).toEqual([1, 2]);
    expect(metrics[0].statistics.rho).toBeGreaterThan(0);
  });

  test('the same seed gives the same bits', async () => {
    for (const name of ['first', 'second'])
      await unlearn('--out', path(name), '--steps', '3', '--evaluate', '0', '--quiet', '--threads', '1');
    const [first, second] = await Promise.all(
      ['first', 'second'].map((name) => readFile(path(`${name}/model.safetensors`))),
    );
    expect(first!.equals(second!)).toBe(true);
  });

  test.each(['adamw', 'soul-repo'])('%s runs preference optimization with refusals of the user', async (optimizer) => {
    await writeFile(path('refusals.txt'), 'I cannot say.\nThat is not known to me.\n');
    const { code, err } = await unlearn(
      ...[
        '--out',
        path(`po-${optimizer}`),
        '--objective',
        'po',
        '--optimizer',
        optimizer,
        '--steps',
        '2',
        '--refusals',
        path('refusals.txt'),
        '--quiet',
      ],
    );
    expect(err).toBe(`note: ${path('refusals.txt')}: 2 refusals, one a line of plain text\n`);
    expect(code).toBe(0);
  });

  test('a diverging run stops with a clear error and leaves its log', async () => {
    const { code, err } = await unlearn(
      '--out',
      path('diverged'),
      '--learning-rate',
      '1e30',
      '--steps',
      '30',
      '--optimizer',
      'adamw',
    );
    expect(code).toBe(1);
    expect(err).toMatch(/diverged|not finite/);
    expect(await readdir(path('.'))).not.toContain('diverged');
    expect(await readdir(path('diverged.partial'))).toContain('metrics.jsonl');
  });
});
