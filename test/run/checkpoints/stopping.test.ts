import { readdir } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { RunSettings } from '../../../lib/run/index.ts';
import type { RunnableModel } from '../../../lib/run/runnable-model.ts';
import type { RunEvent } from '../../../lib/unlearn/index.ts';
import { checkpointedRuns, type More } from './checkpointed-runs.ts';

const { path, record, run, cut, weights, steps } = checkpointedRuns();

const stopAfter = (step: number) => {
  const controller = new AbortController();
  const onEvent = (event: RunEvent) => {
    if (event.kind === 'step' && event.step === step) controller.abort();
  };
  return { stop: controller.signal, onEvent };
};

describe('a run that is told to stop', () => {
  test('finishes its step, keeps a checkpoint and goes on from there', async () => {
    const seldom = { checkpointEvery: 100 };
    await run('alone', seldom).result;
    await expect(run('out', seldom, stopAfter(2)).result).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
      message: expect.stringMatching(/^the run was stopped after 2 of 6 steps; go on with --resume: .*step-00000002-/),
    });
    await run('out', { ...seldom, resume: true }).result;
    expect(await weights('out')).toBe(await weights('alone'));
  });

  test('publishes what is there, measured, where that is asked for', async () => {
    const { result } = run('out', { keepOnStop: true }, stopAfter(4));
    expect((await result).evaluation?.target.after).toBeGreaterThan(0);
    await run('short', { steps: 6 }, {}).result;
    expect((await record('out')).results).toMatchObject({ steps: 4, stopped: { descent: 1, step: 4, steps: 6 } });
    expect(await steps('out')).toEqual((await steps('short')).slice(0, 4));
  });

  test('elsewhere ends at once', async () => {
    const controller = new AbortController();
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'phase' && event.phase === 'measuring before') controller.abort();
    };
    await expect(run('out', {}, { stop: controller.signal, onEvent }).result).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
    });
    expect(await readdir(path('.'))).not.toContain('out.partial');
  });
});

describe('a run with a target', () => {
  test('ends where it is reached', async () => {
    const until = {
      ...{ until: 'forget.probability<0.02', untilEvery: 2, steps: 40 },
      methodSettings: { retainCoefficient: 0 },
    };
    const { result, notes } = run('out', until);
    const { summary, evaluation } = await result;
    expect(summary.steps % 2).toBe(0);
    expect(summary.steps).toBeLessThan(40);
    expect(evaluation!.target.after).toBeLessThan(0.02);
    expect((await record('out')).results.until).toMatchObject({ reached: true, at: { step: summary.steps } });
    expect(notes).toContainEqual(expect.stringMatching(/^after 2 steps: forget\.probability 0\.\d{4}$/));
    // Cut and resumed, it ends at the same step.
    await cut('other', summary.steps - 1, until);
    await run('other', { ...until, resume: true }).result;
    expect(await weights('other')).toBe(await weights('out'));
  });

  test('that is met before the first step says so', async () => {
    const { result, notes } = run('out', { until: 'forget.probability<1', untilEvery: 2 });
    const { evaluation, summary } = await result;
    expect(summary.steps).toBe(2);
    const told =
      /^forget\.probability<1 is met before the first step already \(forget\.probability (0\.\d{4}), .*, after 2 steps at most$/;
    const figure = notes.map((note) => told.exec(note)?.[1]).find((each) => each !== undefined);
    expect(Number(figure)).toBeCloseTo(evaluation!.target.before, 4);
  });

  test('that is never reached ends with the last weights and says what came nearest, whose weights it may take', async () => {
    // Ascent takes what is kept along: nearest is the first look.
    const until = { until: 'retain.probability>=1', untilEvery: 2, methodSettings: { retainCoefficient: 0 } };
    const last = run('last', until);
    await last.result;
    const { until: told } = (await record('last')).results;
    expect(told).toMatchObject({ reached: false, weights: 'the last', nearest: { step: expect.any(Number) } });
    expect(last.notes.at(-1)).toMatch(/^the run ended without reaching retain\.probability>=1; nearest to it, after/);
    await run('best', { ...until, best: true }).result;
    await run('cut', { ...until, keepOnStop: true }, stopAfter(told.nearest.step)).result;
    expect(await weights('best')).toBe(await weights('cut'));
    expect(told.nearest.step).toBeLessThan(6);
  });

  test.each<[Partial<RunSettings>, RegExp]>([
    [{ method: 'spunge', until: 'forget.probability<0.1' }, /--until is not for spunge/],
    [{ method: 'task-arithmetic', keepOnStop: true }, /--keep-on-stop is not for task-arithmetic/],
    [{ until: 'forget.rouge<0.1' }, /until must be conditions/],
    [{ until: 'forget.probability<0.1', evaluate: 0 }, /--evaluate/],
    [{ best: true }, /--best is of use with --until/],
    [{ finish: true }, /--finish is of use with --resume/],
  ])('is refused before anything is loaded: %j', async (more, message) => {
    const { load, result } = run('out', more);
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(load).not.toHaveBeenCalled();
  });
});

describe('a run that diverges', () => {
  test('keeps the last good checkpoint, which can be published', async () => {
    const spoil: More = {
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === 4) spoiled!.parameters.values.array.fill(Number.NaN);
      },
      change: (model) => {
        spoiled = model;
      },
    };
    let spoiled: RunnableModel | undefined;
    const { notes, result } = run('out', {}, spoil);
    await expect(result).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      details: { step: 5, term: expect.any(String), checkpoint: expect.stringMatching(/step-00000003-/) },
      message: expect.stringMatching(/after 3 steps, .*--overwrite --learning-rate 0\.025.*--resume --finish/),
    });
    expect(notes).toContainEqual(
      expect.stringMatching(/^no checkpoint is written after 4 steps: \d+ numbers of .* NaN/),
    );
    await run('out', { resume: true, finish: true }).result;
    expect((await record('out')).results).toMatchObject({ steps: 3, stopped: { step: 3, steps: 6 } });
    const controller = new AbortController();
    const onEvent = (event: RunEvent) => {
      if (event.kind === 'step' && event.step === 3) controller.abort();
    };
    await run('other', { keepOnStop: true }, { stop: controller.signal, onEvent }).result;
    expect(await weights('out')).toBe(await weights('other'));
  });
});
