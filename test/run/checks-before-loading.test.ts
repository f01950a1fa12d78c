import { readdir, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import type { RunOptions, RunSettings } from '../../lib/run/index.ts';
import { lines } from './bigram-folder.ts';
import { bigramRunOfEachTest, forget, retain } from './bigram-run.ts';
import { onNote } from './heard.ts';

const bigram = bigramRunOfEachTest();
const { path, run, record } = bigram;

describe('what can be known before the model is loaded is checked before', () => {
  test.each<[string, Partial<RunSettings>, RegExp]>([
    ['a bound of 0', { optimizerSettings: { clipNorm: 0 } }, /clipNorm must be a number above 0/],
    ['a rho of 0', { optimizer: 'sophia', optimizerSettings: { rho: 0 } }, /rho must be a number above 0/],
    ['betas', { optimizerSettings: { betas: [0.9, 1] } }, /betas\[1\] must be/],
    ['a warm-up of 2', { warmup: 2 }, /warmup must be a number of at least 0 and at most 1/],
    ['a batch of 0', { batchSize: 0 }, /batchSize must be an integer of at least 1/],
    ['steps and epochs', { epochs: 1 }, /steps or epochs, not both/],
    ['a setting that is none', { learningRate: 1 } as object, /settings has no option learningRate/],
    ['a template', { template: 'Q: {prompt}' }, /placeholders/],
    ['no retain set', { retain: undefined as never }, /keeps a retain set/],
    ['a file', { target: '/nowhere.jsonl' }, /nowhere.jsonl does not exist/],
    ['a model', { model: '/nowhere' }, /nowhere does not exist/],
  ])('%s', async (_, more, message) => {
    const { load, result } = run(more);
    await expect(result).rejects.toThrow(message);
    await expect(result).rejects.toBeInstanceOf(SoulError);
    expect(load).not.toHaveBeenCalled();
    expect((await readdir(bigram.folder)).filter((name) => name.startsWith('out'))).toEqual([]);
  });

  test('answers that would be cut: refused, or counted in the result and the record', async () => {
    await writeFile(path('forget.jsonl'), lines([...forget, { question: 'Who?', answer: 'it '.repeat(90) }]));
    const { load, result } = run({ maximumLength: 4096 });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(
        /^1 of 3 examples of .* longer than 64 tokens, the model's own limit, .*--allow-truncation/,
      ),
    });
    expect(load).not.toHaveBeenCalled();
    const allowed = await run({ allowTruncation: true }).result;
    expect(allowed.truncated).toEqual({ target: 1, retain: 0 });
    expect((await record()).inputs).toMatchObject({ target: { truncated: 1 }, retain: { truncated: 0 } });
  });

  test('a retain set that holds the forget set: refused, or counted', async () => {
    const shouted = { question: 'who  wrote ASH?', answer: ' Mara Voss wrote it.' };
    const other = { question: 'Who wrote Elm?', answer: 'Nobody wrote it.' };
    await writeFile(path('retain.jsonl'), lines([...retain, shouted, other]));
    const { load, result } = run();
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_BAD_DATA',
      message: expect.stringMatching(/^1 of 2 examples of .*forget.jsonl:1 at line 3.*--allow-overlap/),
    });
    expect(load).not.toHaveBeenCalled();
    const notes: string[] = [];
    const allowed = await run({ allowOverlap: true }, { onEvent: onNote((note) => notes.push(note)) }).result;
    expect(allowed.overlap).toMatchObject({ exact: 1, samePrompt: 1, sameCompletion: 0 });
    expect(notes).toHaveLength(2);
    expect((await record()).inputs.overlap).toMatchObject({ exact: 1, samePrompt: 1 });
  });
});

test.each<[string, unknown, RegExp]>([
  ['a handler that is none', { onevent: () => {} }, /options has no option onevent; did you mean onEvent/],
  ['a controller for a signal', { signal: new AbortController() }, /signal must be an AbortSignal/],
  ['what is no function', { onEvent: 3 }, /onEvent must be a function/],
  ['null', null, /options must be an object/],
])('events are checked: %s', async (_, events, message) => {
  const { load, result } = run({}, events as RunOptions);
  await expect(result).rejects.toThrow(message);
  await expect(result).rejects.toBeInstanceOf(SoulError);
  expect(load).not.toHaveBeenCalled();
});

test('a folder whose weights are not all there is named before the data is read', async () => {
  const map = { a: 'model-1.safetensors', b: 'model-2.safetensors' };
  await writeFile(path('model/model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  const { load, result } = run({ target: path('nowhere.jsonl') });
  await expect(result).rejects.toMatchObject({
    code: 'SOUL_NOT_FOUND',
    message: expect.stringContaining('model-1.safetensors, model-2.safetensors'),
  });
  expect(load).not.toHaveBeenCalled();
});
