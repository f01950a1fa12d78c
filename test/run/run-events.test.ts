import { readdir } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { runEvents, runTraining, type WholeRunEvent } from '../../lib/run/index.ts';
import type { RunEvent } from '../../lib/unlearn/index.ts';
import { bigramRunOfEachTest } from './bigram-run.ts';

const made = bigramRunOfEachTest();

const outs = async () => (await readdir(made.folder)).filter((name) => name.startsWith('out')).sort();
/** What the clock has no part in. */
const told = ({ kind, ...rest }: WholeRunEvent) =>
  kind === 'step' ? ['step', (rest as { losses: object }).losses] : [kind, kind === 'result' ? undefined : rest];

describe('the events of a run', () => {
  test('are those that runTraining tells, and then the result, which is returned too', async () => {
    const pushed: RunEvent[] = [];
    const { out: _, ...before } = await runTraining(made.settings(), made.load(), {
      onEvent: (event) => void pushed.push(event),
    });
    const events = runEvents(made.settings({ out: made.path('out-again') }), made.load());
    const pulled: WholeRunEvent[] = [];
    for (;;) {
      const next = await events.next();
      if (next.done) {
        expect(pulled.at(-1)).toEqual({ kind: 'result', result: next.value });
        expect(next.value).toMatchObject({ out: made.path('out-again'), evaluation: before.evaluation });
        break;
      }
      pulled.push(next.value);
    }
    expect(pulled.map(told)).toEqual([...pushed.map(told), ['result', undefined]]);
  });

  test('nothing happens before the first is asked for', async () => {
    const events = runEvents(made.settings(), made.load());
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await outs()).toEqual([]);
    await events.return(undefined as never);
    expect(await outs()).toEqual([]);
  });

  test('a loop that is left cancels the run, waits for its end, and leaves what an interrupted run leaves', async () => {
    const phases: string[] = [];
    for await (const event of runEvents(made.settings({ steps: 100_000 }), made.load())) {
      if (event.kind === 'phase') phases.push(event.phase);
      if (event.kind === 'step') break;
    }
    expect(phases.at(-1)).toBe('training');
    expect(await outs()).toEqual(['out.partial']);
    // Nothing writes there any more: another run may.
    await runTraining(made.settings(), made.load());
    expect(await outs()).toEqual(['out', 'out.key']);
  });

  test('told to stop, the run ends in order, with a checkpoint', async () => {
    const stop = new AbortController();
    const loop = async () => {
      const settings = made.settings({ steps: 100_000 });
      for await (const event of runEvents(settings, made.load(), { stop: stop.signal })) {
        if (event.kind === 'step') stop.abort();
      }
    };
    await expect(loop()).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
      message: expect.stringContaining('go on with --resume'),
    });
    expect(await readdir(made.path('out.partial/checkpoints'))).toHaveLength(1);
  });

  test('left in the last moments, the run publishes what it has', async () => {
    for await (const event of runEvents(made.settings(), made.load())) {
      if (event.kind === 'phase' && event.phase === 'writing the model') break;
    }
    expect(await outs()).toEqual(['out', 'out.key']);
  });

  test('end with the error of the run, after all that it told', async () => {
    const seen: string[] = [];
    const reading = async () => {
      const fail = (call: string) => {
        if (call === 'save') throw new Error('no place');
      };
      for await (const { kind } of runEvents(made.settings({ evaluate: 0 }), made.load(fail))) seen.push(kind);
    };
    await expect(reading()).rejects.toThrow('no place');
    expect(seen.filter((kind) => kind === 'step')).toHaveLength(3);
  });

  test('are cancelled by a signal of the caller, too', async () => {
    const controller = new AbortController();
    const reading = async () => {
      const events = runEvents(made.settings({ steps: 100_000 }), made.load(), { signal: controller.signal });
      for await (const event of events) if (event.kind === 'step') controller.abort(new Error('enough'));
    };
    await expect(reading()).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
  });

  test('refuses what is no signal', async () => {
    const wrong = runEvents(made.settings(), made.load(), { signal: new AbortController() as never });
    await expect(wrong.next()).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
  });
});
