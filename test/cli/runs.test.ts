import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { differing, flatRun, runTable } from '../../lib/cli/run-table.ts';
import { listRuns, runTraining } from '../../lib/run/index.ts';
import { lines } from '../run/bigram-folder.ts';
import { bigramRunOfEachTest, retain } from '../run/bigram-run.ts';
import { captured } from './captured.ts';

const made = bigramRunOfEachTest();

const json = async (...words: string[]) => {
  const { code, out } = await captured('runs', made.folder, '--json', ...words);
  expect(code).toBe(0);
  return JSON.parse(out);
};

/** Two runs that are done, one that was cut off, and two files that are none. */
async function makeRuns() {
  const run = (out: string, more: object) => runTraining(made.settings({ out: made.path(out), ...more }), made.load());
  await writeFile(made.path('retain.jsonl'), lines(retain.slice(0, 1)));
  await run('runs/first', {});
  await run('runs/second', { method: 'npo', methodSettings: { beta: 0.5 }, optimizerSettings: { learningRate: 0.02 } });
  const controller = new AbortController();
  await runTraining(made.settings({ out: made.path('runs/cut'), steps: 1000 }), made.load(), {
    signal: controller.signal,
    onEvent: (event) => event.kind === 'step' && event.step === 2 && controller.abort(),
  }).catch(() => {});
  for (const [name, content] of [
    ['broken', '{"package": '],
    ['foreign', '{"settings": 3}'],
  ] as const) {
    await mkdir(made.path(`runs/${name}`));
    await writeFile(made.path(`runs/${name}/run.json`), content);
  }
}

describe('runs under a folder', () => {
  test('are told with what came of them, whatever is wrong with others', async () => {
    await makeRuns();
    // A line that was being written when the run was cut off.
    await writeFile(made.path('runs/cut.partial/metrics.jsonl'), '{"step": 9, "st', { flag: 'a' });
    const runs = await listRuns(made.folder);
    const byName = Object.fromEntries(runs.map((run) => [run.folder, run]));
    expect(Object.keys(byName).sort()).toEqual(
      ['broken', 'cut.partial', 'first', 'foreign', 'second'].map((name) => `runs/${name}`),
    );
    expect(byName['runs/first']).toMatchObject({
      ...{ state: 'finished', method: 'graddiff', optimizer: 'adamw', steps: 3 },
      settings: { steps: 3, batchSize: 2, optimizerSettings: { learningRate: 0.01 } },
      evaluation: { target: { examples: 2 }, retain: { examples: 1 } },
      verdict: { forgotten: expect.any(String), kept: expect.any(String) },
    });
    expect(byName['runs/cut.partial']).toMatchObject({
      ...{ state: 'interrupted', method: 'graddiff', steps: 2, ofSteps: 1000 },
      losses: { forget: expect.any(Number) },
    });
    expect(byName['runs/broken']).toMatchObject({ state: 'unreadable', problem: expect.stringMatching(/not JSON/) });
    expect(byName['runs/foreign']).toMatchObject({
      state: 'unreadable',
      problem: expect.stringMatching(/not the record/),
    });
  });

  test('that go on are told from those that were cut off, and go on', async () => {
    const listing: Promise<unknown>[] = [];
    await runTraining(made.settings({ out: made.path('other'), steps: 50 }), made.load(), {
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === 2) listing.push(listRuns(made.folder));
      },
    });
    const [runs] = (await Promise.all(listing)) as Awaited<ReturnType<typeof listRuns>>[];
    expect(runs!.find(({ folder }) => folder === 'other.partial')).toMatchObject({
      state: 'running',
      startedAt: expect.any(String),
      ofSteps: 50,
    });
  });

  test('are a table of what they differ in, sorted and chosen', async () => {
    await makeRuns();
    const { out } = await captured('runs', made.folder);
    const [header = '', , ...rows] = out.split('\n');
    expect(header).toMatch(/^run +date +state +method +learningRate +steps +time +forget +retain +forgotten +kept$/);
    expect(rows[0]).toMatch(/^runs\/first .* finished +graddiff +0\.01 +3 /);
    expect(rows[1]).toMatch(/^runs\/second .* finished +npo +0\.02 +3 /);
    expect(rows[2]).toMatch(/^runs\/cut\.partial .* interrupted +graddiff +2\/1000/);
    expect(rows[3]).toBe('all: adamw');
    expect(rows.slice(4).join('\n')).toMatch(/unreadable: .*broken\/run\.json is not JSON/);
    const names = async (...words: string[]) =>
      (await json(...words)).runs.map(({ folder }: { folder: string }) => folder.replace('runs/', ''));
    expect(await names('--where', 'method=npo')).toEqual(['second']);
    expect(await names('--where', 'learningRate=1e-2', '--where', 'state=finished')).toEqual(['first']);
    expect(await names('--where', 'beta=0.5')).toEqual(['second']);
    expect(await names('--where', 'state=finished', '--sort', 'learningRate', '--reverse')).toEqual([
      'second',
      'first',
    ]);
    expect((await json()).differing).toEqual(['optimizerSettings.learningRate']);
    expect((await captured('runs', made.folder, '--where', 'method=none')).out).toBe('no run is so\n');
  });

  test('mistaken names are refused with the nearest', async () => {
    await runTraining(made.settings(), made.load());
    expect(await captured('runs', made.folder, '--sort', 'learnigRate')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--sort: no run has learnigRate; did you mean learningRate?'),
    });
    expect(await captured('runs', made.folder, '--where', 'npo')).toMatchObject({ code: 2 });
    expect(await captured('runs', made.path('nowhere'))).toMatchObject({
      code: 2,
      err: expect.stringMatching(/does not exist/),
    });
    expect((await captured('runs', made.path('model'))).out).toBe(`there is no run in ${made.path('model')}\n`);
  });
});

test('settings that change nothing of the model make no column, and steps that were asked for are told from those taken', () => {
  const run = (settings: object) => flatRun({ folder: 'a', state: 'finished', steps: 3, settings: settings as never });
  const runs = [
    run({ steps: 40, checkpointEvery: 5, keep: 2, allowTruncation: false, evaluate: 8 }),
    run({ steps: 60, keep: 3, allowTruncation: true, evaluate: 40 }),
  ];
  expect(differing(runs)).toEqual(['steps', 'evaluate']);
  expect(runTable(runs)).toMatch(/^run +date +steps \(set\) +evaluate +steps +time .*\nall: finished$/s);
});

test("an optimizer's or a method's own default makes no column, but the rate, and what differs among its runs", () => {
  const run = (optimizer: string, optimizerSettings: object, method = 'npo', methodSettings = {}) =>
    flatRun({
      folder: 'a',
      state: 'finished',
      method,
      optimizer,
      settings: { optimizerSettings, methodSettings } as never,
    });
  const runs = [
    run('adamw', { learningRate: 1, epsilon: 1e-8, clipNorm: 1 }, 'npo', { beta: 0.1 }),
    run('sophia', { learningRate: 2, epsilon: 1e-15, clipNorm: 1 }, 'simnpo', { beta: 2.5 }),
    run('sophia', { learningRate: 2, epsilon: 1e-15, clipNorm: 3 }, 'simnpo', { beta: 2.5 }),
  ];
  expect(differing(runs)).toEqual(['optimizerSettings.learningRate', 'optimizerSettings.clipNorm']);
});

test('a setting that only some have makes a column unless it is of their method', () => {
  const run = (settings: object) => flatRun({ folder: 'a', state: 'finished', settings: settings as never });
  const runs = [
    run({ retain: 'r', methodSettings: { beta: 1 }, load: { device: 'cpu', engine: 'x' } }),
    run({ trainable: 'mlp', retain: 'r', methodSettings: {}, load: { device: 'cuda:0', engine: 'y' } }),
  ];
  expect(differing(runs)).toEqual(['load.device', 'trainable']);
  expect(runTable(runs)).toMatch(/^run +date +device +trainable /);
  // One alone has nothing in common with others.
  expect(runTable(runs.slice(1))).toMatch(/^run +date +state +method +optimizer +steps /);
});

test('a table is no wider than there is room, of paths there is what tells them apart, and the rest is named', () => {
  const run = (name: string, settings: object) =>
    flatRun({ folder: name, state: 'finished', steps: 3, settings: settings as never });
  const runs = [
    run('first', {
      model: '/data/models/one/base',
      target: ['/x/f.jsonl', '/x/g.jsonl'],
      system: 'A'.repeat(30),
      seed: '1',
    }),
    run('second', { model: '/data/models/two/base', target: '/y/f.jsonl', system: 'B'.repeat(30), seed: '2' }),
  ];
  const lines = runTable(runs, 90).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(90);
  expect(lines[0]).toMatch(/^run +date +model +target +seed +steps +time +forget +forgotten +kept$/);
  expect(lines[2]).toMatch(/^first +one\/base +f\.jsonl,g\.jsonl +1 +3$/);
  expect(lines[3]).toMatch(/^second +two\/base +f\.jsonl +2 +3$/);
  expect(lines.slice(4)).toEqual(['all: finished', 'they differ in system, too (--json)']);
});

test('a run that was cut off has the settings of its checkpoint', async () => {
  const run = runTraining(made.settings({ steps: 5, checkpointEvery: 1 }), made.load(), {
    onEvent: (event) => {
      if (event.kind === 'step' && event.step === 3) throw new Error('cut');
    },
  });
  await expect(run).rejects.toThrow('cut');
  expect(await listRuns(made.folder)).toMatchObject([
    {
      ...{ folder: 'out.partial', state: 'interrupted', method: 'graddiff', optimizer: 'adamw', steps: 3, ofSteps: 5 },
      settings: { batchSize: 2, optimizerSettings: { learningRate: 0.01 }, methodSettings: { retainCoefficient: 5 } },
    },
  ]);
});
