import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { settingsOfCheckpoint } from '../../../lib/run/checkpoints/settings-of-checkpoint.ts';
import type { RunnableModel } from '../../../lib/run/runnable-model.ts';
import type { RunEvent } from '../../../lib/unlearn/index.ts';
import { lines } from '../bigram-folder.ts';
import { retain } from '../bigram-run.ts';
import { checkpointedRuns, cutAfter } from './checkpointed-runs.ts';

const { path, record, run, cut, weights, outputsOf, steps } = checkpointedRuns();

describe('a run that is resumed', () => {
  test('ends in the same bits, logs each step once, measures nothing again, and leaves no checkpoint', async () => {
    await run('alone').result;
    await cut('out', 4);
    expect((await readdir(path('out.partial/checkpoints'))).sort()).toEqual([
      'step-00000002-000002',
      'step-00000003-000003',
    ]);
    let scored = 0;
    const { notes, result } = run('out', { resume: true }, { watch: (call) => call === 'score' && scored++ });
    await result;
    expect(notes).toContainEqual(expect.stringMatching(/^going on from .*step-00000003-000003, after 3 steps$/));
    expect(await weights('out')).toBe(await weights('alone'));
    expect(await steps('out')).toEqual(await steps('alone'));
    const [own, alone] = [await record('out'), await record('alone')];
    expect(own.results).toMatchObject({ steps: 6, resumed: 1, evaluation: alone.results.evaluation });
    expect(own.traces).toMatchObject({ checkpoints: 'removed', optimizerStates: 'removed' });
    expect(own.deleted).toEqual(alone.deleted);
    expect({ ...own.settings, out: '' }).toEqual({ ...alone.settings, out: '' });
    expect((await readdir(path('out'))).sort()).toEqual((await readdir(path('alone'))).sort());
    // Of both sets once, after.
    expect(scored).toBe(2);
    expect(await outputsOf('out')).toEqual([expect.stringMatching(/^\d+ files are what the record says/)]);
  });

  test('leaves the checkpoints that it is to keep, each in the record; damaged ones, and its own last word, are gone', async () => {
    await cut('out', 5, { keep: 4 });
    const checkpoints = path('out.partial/checkpoints');
    expect((await readdir(checkpoints)).length).toBe(4);
    await writeFile(join(checkpoints, 'step-00000004-000004/checkpoint.json'), '');
    await run('out', { resume: true, finish: true, keep: 2, keepCheckpoints: true }).result;
    expect((await readdir(path('out/checkpoints'))).sort()).toEqual(['step-00000002-000002', 'step-00000003-000003']);
    expect((await record('out')).traces).toMatchObject({ checkpoints: 'kept' });
    expect(await outputsOf('out')).toEqual([expect.stringMatching(/^\d+ files are what the record says/)]);
    await run('out', { overwrite: true }).result;
  });

  test('that was killed as soon as its folder stood leaves no more than the record says, once it is asked to go on', async () => {
    for (const keepCheckpoints of [false, true]) {
      const out = `out-${keepCheckpoints}`;
      await run(out, { keepCheckpoints }).result;
      await mkdir(path(`${out}/checkpoints/step-00000006-000007`), { recursive: true });
      await writeFile(path(`${out}/checkpoints/step-00000006-000007/checkpoint.json`), '{}');
      await writeFile(path(`${out}/.soul-run.json`), '{}');
      await expect(settingsOfCheckpoint(path(out))).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
      expect(await outputsOf(out)).toEqual([expect.stringMatching(/^\d+ files are what the record says/)]);
      expect((await readdir(path(out))).filter((name) => /^\.|^checkpoints$/.test(name))).toEqual(
        keepCheckpoints ? ['checkpoints'] : [],
      );
    }
  });

  test('with stages goes on in the part in which it was', async () => {
    const spunge = { method: 'spunge', methodSettings: { attribute: 'author' }, batchSize: 1 } as const;
    await run('alone', spunge).result;
    let descents = 0;
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'step' && event.step === 1) descents++;
      if (event.kind === 'step' && descents === 2 && event.step === 3) throw new Error('cut');
    };
    await expect(run('out', spunge, { onEvent }).result).rejects.toThrow('cut');
    await run('out', { ...spunge, resume: true }).result;
    expect(await weights('out')).toBe(await weights('alone'));
    expect(await steps('out')).toEqual(await steps('alone'));
  });

  test('has the other answers that the model made before, and its reference values', async () => {
    const made = { method: 'altpo', generateAlternatives: 2 } as const;
    await run('alone', made).result;
    await cut('out', 2, made);
    // Twice: the answers outlive a process that made none.
    await expect(run('out', { ...made, resume: true }, { onEvent: cutAfter(4) }).result).rejects.toThrow('cut');
    const change = (model: RunnableModel) => {
      model.generate = () => Promise.reject(new Error('asked again'));
    };
    await run('out', { ...made, resume: true }, { change }).result;
    expect(await weights('out')).toBe(await weights('alone'));
    const inputs = async (out: string) => (await record(out)).inputs;
    expect(await inputs('out')).toEqual(await inputs('alone'));
    expect((await record('out')).results.resumed).toBe(2);
  });

  test('begins where there is nothing to go on from, and says so', async () => {
    const { notes, result } = run('out', { resume: true });
    await result;
    expect(notes.some((note) => note.startsWith('going on'))).toBe(false);
    await expect(run('out', { resume: true }).result).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
  });

  test('is refused with all that has changed, and keeps its checkpoints', async () => {
    await cut('out', 3);
    await writeFile(path('retain.jsonl'), lines(retain.toReversed()));
    const changed = { steps: 7, methodSettings: { retainCoefficient: 2 }, keep: 5, resume: true } as const;
    const { load, result } = run('out', changed);
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      details: {
        changed: [
          '--steps was 6 and is 7',
          '--retain-weight was 5 and is 2',
          '--retain has changed (its SHA-256 is another)',
        ],
      },
    });
    expect(load).not.toHaveBeenCalled();
    expect(await readdir(path('out.partial/checkpoints'))).toHaveLength(2);
  });

  test('has its settings in its checkpoint, the default learning rate not among them', async () => {
    await cut('out', 3, { optimizerSettings: {}, keep: 4 });
    const settings = await settingsOfCheckpoint(path('out'));
    expect(settings).toMatchObject({ out: path('out'), method: 'graddiff', steps: 6, keep: 4, overwrite: false });
    expect(settings.optimizerSettings!.learningRate).toBeUndefined();
    const { out: _, ...rest } = settings;
    await run('out', { ...rest, resume: true }).result;
    await expect(settingsOfCheckpoint(path('out'))).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    await expect(settingsOfCheckpoint(path('nowhere'))).rejects.toMatchObject({ code: 'SOUL_NOT_FOUND' });
  });

  test('is not begun over without a word', async () => {
    await cut('out', 3);
    await expect(run('out').result).rejects.toMatchObject({
      code: 'SOUL_EXISTS',
      message: expect.stringMatching(/holds checkpoints .*--resume.*--overwrite/),
    });
    await run('out', { overwrite: true }).result;
    expect((await record('out')).results.resumed).toBeUndefined();
  });

  test('that was done but for its place is put there', async () => {
    const { mkdir, rmdir } = await import('node:fs/promises');
    const onEvent = async (event: RunEvent) => {
      // In the way at the last moment.
      if (event.kind === 'phase' && event.phase === 'measuring after') await mkdir(path('out'));
    };
    await expect(run('out', {}, { onEvent }).result).rejects.toMatchObject({ code: 'SOUL_EXISTS' });
    await rmdir(path('out'));
    const { load, notes, result } = run('out', { resume: true });
    expect(await result).toMatchObject({ out: path('out'), summary: { steps: 6 } });
    expect([load.mock.calls.length, notes.at(-1)]).toEqual([0, 'the run was done: it is put in its place']);
    expect(await readdir(path('out'))).not.toContain('checkpoints');
  });
});
