import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mostCheckpoints } from '../../../lib/run/checkpoints/disk-space.ts';
import { type RunSettings, runTraining } from '../../../lib/run/index.ts';
import type { RunEvent } from '../../../lib/unlearn/index.ts';
import { type BigramRun, makeBigramRun } from '../bigram-run.ts';

let made: BigramRun;
beforeEach(async () => {
  made = await makeBigramRun();
});
afterEach(() => rm(made.folder, { recursive: true, force: true }));

const perform = (more: Partial<RunSettings>, onEvent: (event: RunEvent) => void = () => {}, stop?: AbortSignal) =>
  runTraining(made.settings(more), made.load(), { onEvent, ...(stop ? { stop } : {}) });

const cut = (more: Partial<RunSettings>, when: (event: RunEvent) => boolean) =>
  expect(
    perform(more, (event) => {
      if (when(event)) throw new Error('cut');
    }),
  ).rejects.toThrow('cut');

describe('what a run leaves is told', () => {
  test.each(['reading the data', 'loading the model'])(
    'when it is stopped at %s, where it was to go on',
    async (phase) => {
      await cut({ checkpointEvery: 1 }, (event) => event.kind === 'step' && event.step === 2);
      const [checkpoint = ''] = await readdir(made.path('out.partial/checkpoints'));
      const controller = new AbortController();
      const stopped = perform(
        { checkpointEvery: 1, resume: true },
        (event) => {
          if (event.kind === 'phase' && event.phase === phase) controller.abort();
        },
        controller.signal,
      );
      await expect(stopped).rejects.toMatchObject({
        code: 'SOUL_CANCELLED',
        message: expect.stringMatching(new RegExp(`; go on with --resume: the checkpoint .*${checkpoint} is kept$`)),
        details: { checkpoint: expect.stringContaining(checkpoint) },
      });
      expect(await readdir(made.path('out.partial/checkpoints'))).toEqual([checkpoint]);
      expect(await perform({ checkpointEvery: 1, resume: true })).toMatchObject({ summary: { steps: 3 } });
    },
  );

  test('of a finished model alone it is not said that one could go on: that would begin anew', async () => {
    const full = made.settings({ checkpointMinutes: 0 });
    // Whatever is on the disk then is what a kill would leave.
    const failing = runTraining(full, made.load(), {
      onEvent: (event) => {
        if (event.kind === 'phase' && event.phase === 'measuring after') throw new Error('cut');
      },
    });
    await expect(failing).rejects.toThrow('not measured');
    await rename(made.path('out'), made.path('out.partial'));
    await writeFile(made.path('out.partial/.soul-run.json'), '');
    await expect(perform({})).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringMatching(/a model that an earlier run had finished .*; move it, or let it be replaced/),
    });
  });
});

test('tensors that are not there are refused before the model is asked for other answers', async () => {
  const phases: string[] = [];
  const run = perform(
    { method: 'altpo', generateAlternatives: 1, trainable: 'mlp' },
    (event) => event.kind === 'phase' && phases.push(event.phase),
  );
  await expect(run).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', details: { argument: 'trainable' } });
  expect(phases.at(-1)).toBe('loading the model');
});

test.each([
  [{ checkpointMinutes: 10 }, 3],
  [{ checkpointMinutes: 0 }, 0],
  [{ checkpointMinutes: 0, checkpointEvery: 5 }, 3],
  // Looks write them whatever the clock says, and the best stays beside the last.
  [{ checkpointMinutes: 0, until: 'forget.probability<0.2' }, 4],
])('with %j and two kept, as many checkpoints may lie there at a time: %i', (settings, most) => {
  expect(mostCheckpoints({ keep: 2, ...settings })).toBe(most);
});
