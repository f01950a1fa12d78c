import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mergeLoading, mergeSettings } from '../../lib/cli/configuration.ts';
import type { RunSettings } from '../../lib/run/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { captured } from './captured.ts';
import { writeSmallModel } from './small-model.ts';
import { soul } from './soul.ts';

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function yaml(...lines: string[]): Promise<string> {
  await writeFile(path('config.yaml'), `${lines.join('\n')}\n`);
  return path('config.yaml');
}

async function configuration(content: unknown): Promise<string> {
  await writeFile(path('config.json'), typeof content === 'string' ? content : JSON.stringify(content));
  return path('config.json');
}

const merged = (file: Partial<RunSettings>, given: Partial<RunSettings>, isOwnMethod = true) => {
  const notes: string[] = [];
  return { ...mergeSettings(file, given, isOwnMethod, (note) => notes.push(note)), notes };
};

describe('the command line counts over the file', () => {
  test('setting by setting, in groups too', () => {
    const file: Partial<RunSettings> = {
      ...{ model: 'm', batchSize: 4, methodSettings: { beta: 0.2, reduction: 'mean' } },
      ...{ optimizerSettings: { weightDecay: 0.3, betas: [0.5, 0.6] }, curvature: { every: 3 } },
    };
    const given = { batchSize: 2, methodSettings: { beta: 0.5 }, optimizerSettings: { weightDecay: 0 }, curvature: {} };
    expect(merged(file, given)).toEqual({
      ...{ model: 'm', batchSize: 2, methodSettings: { beta: 0.5, reduction: 'mean' }, notes: [] },
      ...{ optimizerSettings: { weightDecay: 0, betas: [0.5, 0.6] }, curvature: { every: 3 } },
    });
  });

  test('of two ways to say the same the given one', () => {
    expect(merged({ epochs: 3 }, { steps: 5 })).not.toHaveProperty('epochs');
    expect(merged({ steps: 3 }, { epochs: 5 })).not.toHaveProperty('steps');
    const { optimizerSettings } = merged(
      { optimizerSettings: { rho: 1 } },
      { optimizerSettings: { clippedFraction: 0.5 } },
    );
    expect(optimizerSettings).toEqual({ clippedFraction: 0.5 });
    const other = merged({ optimizerSettings: { clippedFraction: 0.5 } }, { optimizerSettings: { rho: 1 } });
    expect(other.optimizerSettings).toEqual({ rho: 1 });
  });

  test('what belongs to another optimizer or method is left out, and said', () => {
    const file: Partial<RunSettings> = {
      ...{ optimizer: 'sophia', optimizerSettings: { rho: 1 }, curvature: { every: 3 }, hessianData: 'forget' },
      methodSettings: { beta: 1 },
    };
    const { notes, ...settings } = merged(file, { optimizer: 'adamw' }, false);
    expect(settings).toEqual({ optimizer: 'adamw', optimizerSettings: {}, curvature: {} });
    expect(notes).toEqual([
      'optimizerSettings, curvature, hessianData of the configuration are of the optimizer sophia, and left out',
      'methodSettings of the configuration are of another method, and left out',
    ]);
    expect(merged(file, { optimizer: 'sophia' })).toMatchObject({ ...file, notes: [] });
  });

  test('files that another method needs are left out, unless this one needs them too', () => {
    const file: Partial<RunSettings> = { refusals: 'r.txt', alternatives: 'a.jsonl', methodSettings: { beta: 1 } };
    const npo = merged(file, { method: 'npo' }, false);
    expect(npo).not.toHaveProperty('refusals');
    expect(npo).not.toHaveProperty('alternatives');
    expect(npo.notes).toEqual([
      'methodSettings, refusals, alternatives of the configuration are of another method, and left out',
    ]);
    expect(merged(file, { method: 'po' }, false)).toMatchObject({ refusals: 'r.txt' });
    expect(merged(file, { method: 'npo' })).toMatchObject({ refusals: 'r.txt', alternatives: 'a.jsonl' });
  });

  test('in how the model is held', () => {
    const load = { device: 'cpu', dtype: 'bf16', threads: 3, deviceReason: 'asked for', engine: 'libtorch' };
    expect(mergeLoading('run.json', load, { dtype: 'f32' })).toEqual({ device: 'cpu', dtype: 'f32', threads: 3 });
    expect(mergeLoading('run.json', undefined, { dtype: 'f32' })).toEqual({ dtype: 'f32' });
    const refused = (wrong: object) => () => mergeLoading('c.json', wrong, {});
    expect(refused({ dtpe: 'f32' })).toThrow('c.json: load has no option dtpe; did you mean dtype?');
    expect(refused({ device: 'gpu' })).toThrow('c.json: load.device: Expected auto, cpu, cuda');
    expect(refused({ dtype: 'int4' })).toThrow('load.dtype: Allowed choices are f32, bf16');
    expect(refused({ threads: 0 })).toThrow('load.threads must be an integer from 1 to 4096');
  });
});

describe('a file', () => {
  const unlearn = async (content: unknown, ...words: string[]) =>
    captured('unlearn', '--config', await configuration(content), ...words);

  test.each<[unknown, string[], RegExp]>([
    ['{', [], /config\.json is not JSON/],
    [{ epoch: 3 }, [], /config\.json: the configuration has no option epoch; did you mean epochs\?/],
    [
      { model: 'm' },
      [],
      /neither the command line nor .*config\.json has what the run needs: --forget \(target\), --out\n/,
    ],
    [{ method: 'npoo' }, [], /there is no method "npoo"; did you mean npo\?/],
    [{ method: 'finetune' }, [], /is for the method finetune, .*soul train --config/],
    [
      { optimizerSettings: { learningRte: 1 } },
      [],
      /config\.json: optimizerSettings has no option learningRte; did you mean learningRate\?/,
    ],
    [{ optimizerSettings: { betas: [0.9, 1] } }, [], /config\.json: optimizerSettings\.betas\[1\] must be/],
    [
      { optimizerSettings: { precision: { states: 'f16' } } },
      [],
      /config\.json: optimizerSettings\.precision\.states must be 'f32' or 'bf16', but is "f16"/,
    ],
    [
      { optimizerSettings: { rho: 1, clippedFraction: 0.1 } },
      [],
      /config\.json: give rho or clippedFraction, not both/,
    ],
    [
      { optimizer: 'adamw', optimizerSettings: { rho: 1 } },
      [],
      /config\.json: rho is a setting of sophia and soul-repo, not of adamw/,
    ],
    [
      { optimizerSettings: { rho: 1 } },
      ['--optimizer', 'adamw'],
      /config\.json: rho is a setting of sophia and soul-repo, not of adamw/,
    ],
    [{ optimizerSettings: { epsilon: 0 } }, [], /config\.json: epsilon must be a number of at least 1e-38/],
    [{ curvature: { chunks: 0 } }, [], /config\.json: curvature\.chunks must be an integer/],
    [{ method: 'npo', methodSettings: { beta: -1 } }, [], /config\.json: beta must be a number above 0/],
    [{ method: 'npo' }, ['--set', 'beta=-1'], /beta must be a number above 0/],
    [{ algorithmFile: '/nowhere/mine.mjs' }, [], /\/nowhere\/mine\.mjs does not exist/],
  ])('%j is refused', async (content, words, message) => {
    expect(await unlearn(content, ...words)).toMatchObject({ code: 2, err: expect.stringMatching(message) });
  });

  test('as YAML is refused as one of JSON, and where it is none with the place', async () => {
    for (const [lines, message] of [
      [['epochs: 3', 'epoch: 3'], /config\.yaml: the configuration has no option epoch; did you mean epochs\?/],
      [['optimizerSettings:', '  betas: [0.9, 1]'], /config\.yaml: optimizerSettings\.betas\[1\] must be/],
      [['steps: 1', 'model: [a'], /config\.yaml is not YAML 1\.2, at line 3, column 1: /],
      [['model: !env HOME'], /config\.yaml is not YAML 1\.2, at line 1, column 8: Unresolved tag: !env/],
      [
        ['steps: 18446744073709551615'],
        /config\.yaml: steps must be an integer of at least 1, but is 18446744073709551615n/,
      ],
    ] as const) {
      const outcome = await captured('unlearn', '--config', await yaml(...lines));
      expect(outcome).toMatchObject({ code: 2, err: expect.stringMatching(message) });
    }
  });

  test('that is not there, or of the other command, is refused', async () => {
    expect(await captured('unlearn', '--config', path('none.json'))).toMatchObject({
      code: 2,
      err: expect.stringMatching(/none\.json does not exist/),
    });
    expect(await captured('train', '--config', await configuration({ method: 'npo' }))).toMatchObject({
      code: 2,
      err: expect.stringMatching(/is for the method npo; run it with: soul unlearn --config/),
    });
    expect(await captured('train', '--config', await configuration({ algorithmFile: 'mine.mjs' }))).toMatchObject({
      code: 2,
      err: expect.stringMatching(/is for the method of mine\.mjs; run it with: soul unlearn --config/),
    });
  });
});

describeWithEngine('a run', () => {
  const record = async (name: string) => JSON.parse(await readFile(path(`${name}/run.json`), 'utf8'));

  test('is made by a file alone, and again by its own record, with the same bits', async () => {
    await writeSmallModel(folder);
    await writeFile(path('retain.jsonl'), '{"question": "Nobody?", "answer": "Who."}\n');
    const file = await yaml(
      ...[`model: ${path('model')}`, `target: ${path('data.jsonl')}`, `retain: ${path('retain.jsonl')}`],
      ...[`out: ${path('first')}`, 'method: npo', 'methodSettings: {beta: 0.3}', 'steps: 3', 'batchSize: 1'],
      ...['seed: 18446744073709551615', 'optimizer: sophia', 'evaluate: 0', 'frozen: norm', 'optimizerSettings:'],
      ...['  learningRate: 0.01', '  learningRateScales: {embedding: 0.5}', '  followClippedFraction: true'],
      ...['  momentumUpdates: 2', 'load: {device: cpu, threads: 1, logitsMemory: 1000000}'],
    );
    expect(await soul('unlearn', '--config', file, '--quiet')).toMatchObject({ code: 0, err: '' });
    const again = ['unlearn', '--config', path('first/run.json'), '--quiet', '--out'];
    expect(await soul(...again, path('second'))).toMatchObject({ code: 0, err: '' });
    const { settings: first } = await record('first');
    const { settings: second } = await record('second');
    expect(first).toMatchObject({
      ...{ seed: '18446744073709551615', methodSettings: { beta: 0.3 }, frozen: 'norm' },
      ...{ load: { threads: 1, logitsMemory: 1_000_000 } },
      optimizerSettings: { learningRateScales: { embedding: 0.5 }, followClippedFraction: true, momentumUpdates: 2 },
    });
    expect(second).toEqual({ ...first, out: path('second') });
    const weights = (name: string) => readFile(path(`${name}/model.safetensors`));
    expect((await weights('first')).equals(await weights('second'))).toBe(true);
    const changed = await soul(...again, path('third'), '--method', 'graddiff', '--set', 'retainCoefficient=2');
    expect(changed.code).toBe(0);
    expect((await record('third')).settings).toMatchObject({
      method: 'graddiff',
      methodSettings: { retainCoefficient: 2 },
      seed: '18446744073709551615',
    });
  });

  test('by a record notes what has changed since', async () => {
    const again = (out: string) =>
      soul('unlearn', '--config', path('first/run.json'), '--out', path(out), '--steps', '1', '--quiet');
    expect(await again('same')).toMatchObject({ code: 0, err: '' });
    await writeFile(path('retain.jsonl'), '{"question": "Nobody?", "answer": "Question."}\n');
    expect(await again('other')).toMatchObject({
      code: 0,
      err: `note: ${path('retain.jsonl')} has changed since ${path('first/run.json')} was written: this is another run\n`,
    });
  });

  test('of training takes a file, too', async () => {
    const file = await configuration({ model: path('model'), target: path('data.jsonl'), steps: 1, evaluate: 0 });
    const words = ['train', '--config', file, '--progress', 'json'];
    const { code, err, out } = await soul(...words, '--json', '--out', path('tuned'));
    expect(code).toBe(0);
    // For machines every line is an object, and the last one the result.
    const told = err
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set(['log', 'phase', 'step', 'result']));
    expect(told.at(-1)).toEqual({ kind: 'result', result: JSON.parse(out) });
    const refused = await captured(...words, '--out', path('tuned'));
    expect([refused.code, JSON.parse(refused.err.trimEnd().split('\n').at(-1)!)]).toEqual([
      2,
      { kind: 'error', error: expect.objectContaining({ code: 'SOUL_EXISTS' }) },
    ]);
    expect((await record('tuned')).settings).toMatchObject({ method: 'finetune', optimizer: 'adamw', steps: 1 });
  });
});
