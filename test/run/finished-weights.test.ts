import { writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import type { RunOptions } from '../../lib/run/index.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';
import { onNote, onPhase } from './heard.ts';

const bigram = bigramRunOfEachTest();
const { path, run, record } = bigram;

const fail = () => {
  throw new Error('mine');
};

describe('weights that are trained are never lost', () => {
  test('where measuring them fails: the folder is there, whole, and the error says so', async () => {
    let saved = false;
    const { result } = run({}, {}, (call) => {
      if (call === 'save') saved = true;
      if (call === 'score' && saved) throw new SoulError('SOUL_NON_FINITE', 'a likelihood is NaN');
    });
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: `the model is written to ${path('out')}, but not measured: a likelihood is NaN`,
    });
    expect((await readdir(path('out'))).sort()).toEqual(
      expect.arrayContaining(['metrics.jsonl', 'model.safetensors', 'run.json', 'tokenizer.json']),
    );
    expect((await record()).results).toMatchObject({
      steps: 3,
      notMeasuredAfter: expect.stringMatching(/^SOUL_NON_FINITE: a loss/),
      before: { target: { examples: 2 } },
    });
    expect(await readdir(bigram.folder)).not.toContain('out.partial');
  });

  test('where an interrupt comes while they are measured', async () => {
    const controller = new AbortController();
    const { result } = run(
      {},
      {
        signal: controller.signal,
        onEvent: onPhase((phase) => {
          if (phase === 'writing the model') controller.abort();
        }),
      },
    );
    await expect(result).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { out: path('out') } });
    expect(await readdir(path('out'))).toContain('model.safetensors');
  });

  test.each<[string, RunOptions]>([
    ['is told of the writing', { onEvent: onPhase((phase) => phase === 'writing the model' && fail()) }],
    [
      'is told of the last step',
      { onEvent: (event: RunEvent) => void (event.kind === 'step' && event.step === event.steps && fail()) },
    ],
    ['is told of the measuring', { onEvent: onPhase((phase) => phase === 'measuring after' && fail()) }],
  ])("where the caller's code fails when it %s", async (_, events) => {
    await expect(run({}, events).result).rejects.toThrow(
      `the model is written to ${path('out')}, but not measured: mine`,
    );
    expect(await readdir(path('out'))).toContain('model.safetensors');
  });

  test('where the folder cannot be put in its place: it stays beside, and a later run does not remove it', async () => {
    const notes: string[] = [];
    const { result } = run(
      {},
      {
        onEvent: (event) => {
          onNote((note) => notes.push(note))(event);
          // Somebody puts a file there meanwhile.
          onPhase((phase) => phase === 'measuring after' && writeFileSync(path('out'), 'in the way'))(event);
        },
      },
    );
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringMatching(/; the finished model is in .*out\.partial$/),
    });
    expect(notes).toEqual([]);
    await rm(path('out'));
    await expect(run().result).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringContaining('holds a model that an earlier run had finished'),
    });
    await run({ overwrite: true }).result;
    expect(await readdir(bigram.folder)).not.toContain('out.partial');
  });
});
