import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkLogs } from '../../lib/cli/comparison/checks.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-compare-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const section = (loss: number, recorded?: object) => ({
  avg_gt_loss: [loss, loss + 0.1, loss + 0.2],
  average_perturb_loss: [[2], [2], [2]],
  ...(recorded ? { recorded } : {}),
});
const writeLog = (name: string, loss: number, recorded?: object) =>
  writeFile(
    path(name),
    JSON.stringify({ 'eval_log_forget.json': section(loss, recorded), 'eval_log.json': section(loss, recorded) }),
  );

describe('logs', () => {
  beforeAll(async () => {
    await writeLog('a.json', 1);
    await writeLog('b_1.json', 0.5);
    await writeLog('soul.json', 1, { profile: 'soul', split: 'forget10' });
  });
  const compare = (...words: string[]) => captured('compare', ...words, '--quiet');

  test('are compared in every form', async () => {
    const words = [path('a.json'), `x=${path('b_1.json')}`, '--table', 'forget.probability', '--retrained', 'x'];
    const text = await compare(...words, '--no-intervals');
    expect(text.code).toBe(0);
    expect(text.out).toMatch(/^a +0\.334\*$/m);
    expect(text.out).toMatch(/^x +0\.551$/m);
    expect((await compare(...words, '--format', 'latex')).out).toContain('\\begin{tabular}{lr}');
    expect((await compare(path('b_1.json'), '--format', 'markdown')).out).toContain('| b\\_1 |');
    const json = await compare(...words, '--format', 'json');
    expect(json.out).toBe((await compare(...words, '--json')).out);
    expect(JSON.parse(json.out)).toMatchObject({
      profile: 'tofu',
      items: { forget: 3, retain: 3 },
      columns: [{ metric: 'probability', set: 'forget', direction: 'lower' }],
      models: [
        { name: 'a', log: path('a.json'), cells: [{ standing: 'best' }] },
        { name: 'x', cells: [{ standing: 'different' }] },
      ],
    });
  });

  test.each([
    [['a.json', 'soul.json'], [], /a and soul cannot stand in one table, since their profile/],
    [['a.json', 'a.json'], [], /both called a; give one another name/],
    [['none.json'], [], /none\.json is not the file of a log: .*--tofu/],
    [['none.json'], [], /: nothing is there by that name; to evaluate the model/],
    [['none.json', 'a.json'], ['--tofu', 'x'], /the model folder .*none\.json does not exist/],
    [['a.json'], ['--limit', '2'], /--limit says how models are evaluated, but there are logs alone/],
    [['a.json'], ['--split', 'forget10'], /--split says how models are evaluated/],
    [['a.json'], ['--max-length', '8'], /--max-length says how/],
    [['a.json'], ['--relearn-steps', '3'], /--relearn-steps belongs to relearning; add it with --attacks relearn/],
    [['a.json'], ['--attacks', 'nf4'], /logs alone cannot be attacked/],
    [['a.json'], ['--attacks', 'nf5'], /Did you mean nf4/],
    [
      ['a.json'],
      ['--attacked', 'b'],
      /--attacked must name models that are evaluated, but has b \(of which there are none\)/,
    ],
    [['a.json'], ['--retrained', 'b'], /--retrained must name a row/],
    [['a.json'], ['--baseline', 'b'], /--baseline must name a row \(a\), but is b/],
    [['a.json'], ['--table', 'modelutility'], /did you mean modelUtility/],
    [['a.json'], ['--json', '--format', 'latex'], /cannot be used with/],
    [['a.json'], ['--profile', 'soul'], undefined],
    [['soul.json'], ['--profile', 'tofu'], /soul was made by the conventions of soul and cannot/],
    [[], [], /missing required argument/],
  ])('%p %p', async (files, words, message) => {
    const { code, err } = await compare(...files.map(path), ...words);
    if (message === undefined) return expect(code).toBe(0);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test("by another embedder than the models', or beside a guarded reference, are refused before one is evaluated", () => {
    const recorded = { profile: 'tofu', split: 'forget10', embedder: 'one' } as const;
    const logs = [{ name: 'a', log: { recorded, sets: {} } }];
    const sets = { split: 'forget10', examples: {}, sha256: {} };
    const asked = { name: 'm', profile: 'tofu', split: 'forget10', limit: undefined, sets } as const;
    expect(() => checkLogs(logs, undefined, { ...asked, embedder: 'two' })).toThrow(
      /a and m cannot stand .* embedder is not the same: "one" and "two"/,
    );
    for (const embedder of ['one', undefined]) {
      expect(() => checkLogs(logs, logs[0]!.log, { ...asked, embedder })).not.toThrow();
    }
    const guarded = { recorded: { ...recorded, template: { guardrail: 'Refuse.' } }, sets: {} };
    expect(() => checkLogs(logs, guarded, { ...asked, embedder: 'one' })).toThrow(/asked behind a guardrail/);
  });

  test('a name before nothing is refused, and an error is JSON where the result were', async () => {
    const { code, out } = await compare('=x', '--format', 'json');
    expect(code).toBe(2);
    expect(JSON.parse(out).error.message).toMatch(/NAME=PATH/);
  });
});

describeWithEngine('models', () => {
  beforeAll(async () => {
    await writeSmallModel(folder);
    await cp(path('model'), path('other'), { recursive: true });
    const config = JSON.parse(await readFile(path('model/config.json'), 'utf8'));
    const model = await TorchLM.create({ ...config, max_position_embeddings: 256 }, 11n);
    await model.save(path('other'), { overwrite: true, tokenizer: { folder: path('model') } as never });
    model.release();
    await writeFile(path('other/run.json'), '{}');
    const record = {
      ...{ question: 'Who?', answer: 'Nobody.', paraphrased_answer: 'Nobody. Nobody.' },
      perturbed_answer: ['Who?', 'Answer: Who?'],
    };
    for (const name of ['forget10', 'retain', 'real_authors', 'world_facts']) {
      await writeFile(path(`${name}_perturbed.json`), `${JSON.stringify(record)}\n`.repeat(3));
    }
  });
  const compare = (logs: string, ...words: string[]) =>
    captured(
      'compare',
      ...words,
      '--tofu',
      folder,
      '--logs',
      path(logs),
      '--device',
      'cpu',
      '--threads',
      '1',
      '--limit',
      '2',
    );
  const cells = (out: string, name: string) =>
    JSON.parse(out).models.find((model: { name: string }) => model.name === name).cells;

  test('are not evaluated where their logs cannot be kept', async () => {
    await writeFile(path('taken'), '');
    const { code, err } = await compare('taken', path('model'));
    expect(err).toMatch(/--logs must name a folder, but .*taken is a file/);
    expect(code).toBe(2);
  });

  test('are evaluated as soul eval does, attacked in memory, and logs that are there are taken', async () => {
    const weights = await readFile(path('model/model.safetensors'));
    const attacks = ['--attacks', 'nf4,relearn', '--attacked', 'one', '--relearn-learning-rate', '0.01'];
    const words = [`one=${path('model')}`, path('other'), '--table', 'full', ...attacks, '--json'];
    const first = await compare('logs', ...words);
    expect(first.code).toBe(0);
    const result = JSON.parse(first.out);
    expect(result.models.map(({ name }: { name: string }) => name)).toEqual([
      'one',
      'one + nf4',
      'one + relearn',
      'other',
    ]);
    expect(result.models[2].attack).toMatchObject({ name: 'relearn', steps: 10, learningRate: 0.01 });
    const losses = (name: string) => cells(first.out, name).map(({ value }: { value: number }) => value);
    expect(losses('one + relearn')).not.toEqual(losses('one'));
    expect(losses('one + nf4')).not.toEqual(losses('one'));
    expect(await readFile(path('model/model.safetensors'))).toEqual(weights);

    // The log says what came of the attack, and is what soul eval reads.
    const [, , relearned] = result.models;
    const log = JSON.parse(await readFile(relearned.log, 'utf8'));
    expect(log['eval_log.json'].recorded).toMatchObject({
      attack: { name: 'relearn' },
      attackOutcome: { steps: 10, seen: 1 },
    });
    const files = await readdir(path('logs'));
    expect(files).toHaveLength(4);
    const own = ['--split', 'forget10', '--limit', '2', '--device', 'cpu', '--threads', '1', '--quiet'];
    const evaluated = await captured(
      'eval',
      '--model',
      path('model'),
      '--tofu',
      folder,
      ...own,
      '--out',
      path('e.json'),
      '--json',
    );
    const { value } = JSON.parse(evaluated.out).sets.forget.probability;
    const column = result.columns.findIndex(
      ({ metric, set }: { metric: string; set?: string }) => metric === 'probability' && set === 'forget',
    );
    expect(cells(first.out, 'one')[column].value).toBe(value);
    // Its log stands beside models that are evaluated.
    const mixed = await compare('logs', `one=${path('model')}`, `own=${path('e.json')}`, '--json');
    expect(cells(mixed.out, 'own')).toEqual(cells(mixed.out, 'one'));

    // Nothing is evaluated twice.
    const written = await Promise.all(files.map(async (name) => (await stat(join(path('logs'), name))).mtimeMs));
    const again = await compare('logs', ...words);
    expect(again.out).toBe(first.out);
    expect(again.err.match(/ is there$/gm)).toHaveLength(4);
    expect(again.err).not.toMatch(/loading/);
    expect(await Promise.all(files.map(async (name) => (await stat(join(path('logs'), name))).mtimeMs))).toEqual(
      written,
    );

    // The rounding before it left nothing behind.
    const alone = await compare(
      'others',
      `one=${path('model')}`,
      '--table',
      'full',
      ...attacks.with(1, 'relearn'),
      '--json',
    );
    const bare = (all: { value: number }[]) => all.map((cell) => cell.value);
    expect(bare(cells(alone.out, 'one + relearn'))).toEqual(bare(cells(first.out, 'one + relearn')));

    // Other options of the attack, or fewer questions, are another log; of the model itself it is the same.
    const steps = await compare(
      'logs',
      `one=${path('model')}`,
      ...attacks.with(1, 'relearn'),
      '--relearn-steps',
      '1',
      '--quiet',
    );
    expect([steps.code, (await readdir(path('logs'))).length]).toEqual([0, 5]);

    // A log that is not what its name says, and one in the making that is of something else.
    const damaged = result.models[0].log;
    await writeFile(damaged, (await readFile(damaged, 'utf8')).replaceAll('"dtype": "f32"', '"dtype": "bf16"'));
    const refused = await compare('logs', ...words);
    expect([refused.code, JSON.parse(refused.out).error.code]).toEqual([2, 'SOUL_EXISTS']);
    expect(JSON.parse(refused.out).error.message).toMatch(/its dtype is not the same/);
    await rm(damaged);
    await writeFile(`${damaged}.partial`, '{"settings": {"batchSize": 3}}\n');
    expect(JSON.parse((await compare('logs', ...words)).out).error.message).toMatch(
      /\.partial is of an evaluation with another/,
    );
  });

  test('a log by other conventions or of other questions is refused before a model is evaluated', async () => {
    const sha = { forget: 'aa' };
    await writeLog('limited.json', 1, { profile: 'tofu', split: 'forget10', limit: 3, data: sha });
    await writeLog('conventions.json', 1, { profile: 'soul', split: 'forget10', limit: 2, data: sha });
    for (const [words, message] of [
      [[path('limited.json')], /limit is not the same: 3 and 2/],
      [[path('conventions.json'), '--profile', 'tofu'], /profile is not the same: "soul" and "tofu"/],
      [[path('conventions.json')], /data of forget/],
      [[path('nowhere')], /nowhere does not exist/],
      [['--baseline', 'model + nf4', '--attacks', 'relearn'], /must name a row \(model, model \+ relearn\)/],
    ] as const) {
      const { code, err } = await compare('unused', path('model'), ...words, '--quiet');
      expect(err).toMatch(message);
      expect(code).toBe(2);
    }
    expect((await readdir(folder)).includes('unused')).toBe(false);
  });
});
