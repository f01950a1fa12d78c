import { readdir, readFile, symlink } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { type ModelLoader, runTraining } from '../../lib/run/index.ts';
import { crossEntropy, gradientAscent, type Method, retainSet, targetSet } from '../../lib/unlearn/index.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';
import { onNote, onPhase } from './heard.ts';
import { runnableBigram } from './runnable-bigram.ts';

const bigram = bigramRunOfEachTest();
const { path, settings, run, record } = bigram;

test('what the loader notes reaches who watches the run', async () => {
  const notes: string[] = [];
  const load: ModelLoader = async (_, options) => {
    options?.onNote?.('an odd name');
    return runnableBigram(bigram.vocabulary);
  };
  await runTraining(settings(), load, { onEvent: onNote((note) => notes.push(note)) });
  expect(notes).toEqual(['an odd name']);
  await runTraining(settings({ out: path('unwatched') }), load);
});

test('a method of your own is run as it is, and recorded', async () => {
  const halves: Method = {
    name: 'halves',
    terms: [
      { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: 0.5 },
      { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 2 },
    ],
  };
  await run({ method: halves }).result;
  const { outputs } = await record();
  const files = await readdir(path('out'));
  expect(Object.keys(outputs.model.sha256).sort()).toEqual(
    files.filter((name) => !['run.json', 'metrics.jsonl', 'README.md'].includes(name)).sort(),
  );
  expect(Object.keys(outputs.others.sha256)).toEqual(['README.md', 'metrics.jsonl']);
  expect(await record()).toMatchObject({
    settings: { method: 'halves', methodSettings: {} },
    coefficients: { forget: 0.5, retain: 2 },
  });
});

test('an algorithm that takes no steps is run, measured and recorded all the same', async () => {
  const notes: string[] = [];
  const options = { onEvent: onNote((note) => notes.push(note)) };
  const result = await run({ method: 'ssd' }, options).result;
  expect(notes).toContain('ssd takes no steps: learningRate, steps have no effect');
  expect(result.summary).toMatchObject({ steps: 0, tokens: 0, curvatureShare: 0 });
  expect(result.summary).not.toHaveProperty('last');
  expect(result.verdict).toBeDefined();
  const { settings: used, results } = await record();
  expect(used).toMatchObject({ method: 'ssd', methodSettings: { alpha: 10, lambda: 1 } });
  expect(results).toMatchObject({ steps: 0, evaluation: { target: { examples: 2 } } });
  expect(results).not.toHaveProperty('losses');
  expect(await readFile(path('out/metrics.jsonl'), 'utf8')).toBe('');
});

test('phases are announced in their order', async () => {
  const phases: string[] = [];
  await run({}, { onEvent: onPhase((phase) => phases.push(phase)) }).result;
  expect(phases).toEqual([
    'reading the data',
    'hashing the model',
    'loading the model',
    'measuring before',
    'training',
    'writing the model',
    'measuring after',
  ]);
});

test('a link to what is gone, of no use to the model, harms no run', async () => {
  await symlink('nowhere', path('model/foo.json'));
  await run().result;
  expect(Object.keys((await record()).inputs.model.sha256)).toEqual(
    expect.arrayContaining(['config.json', 'tokenizer.json']),
  );
});
