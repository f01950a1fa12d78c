/**
 * A whole run as the events that it tells.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { RunEvent } from '../unlearn/events.ts';
import type { RunResult } from './record.ts';
import { type RunOptions, runTraining } from './run.ts';
import type { ModelLoader } from './runnable-model.ts';
import type { RunSettings } from './settings.ts';

/** Everything that {@link runEvents} gives, told apart by `kind`. */
export type WholeRunEvent =
  | RunEvent
  /** The last event: the out folder stands. */
  | { readonly kind: 'result'; readonly result: RunResult };

/**
 * Runs as {@link runTraining} does and gives what it tells, event by event; the result comes as the last event, and is returned. The
 * run begins when the first event is asked for. It does not wait for its reader: what it tells meanwhile is kept.
 *
 * A loop that is left (`break`, `return`, an error) cancels the run: it ends in order, which the loop waits for, and leaves what an
 * interrupted run leaves. A run whose weights were written by then is published, without the figures of afterwards.
 *
 * @param options.stop ends the run in order, as that of {@link runTraining}
 * @throws SoulError of {@link runTraining}, after all that it had told
 *
 * @example
 * for await (const event of runEvents(settings, (folder, options) => TorchLM.load(folder, options))) {
 *   if (event.kind === 'step') console.log(event.step, event.losses);
 *   if (event.kind === 'result') console.log(event.result.verdict?.sentence);
 * }
 */
export async function* runEvents(
  settings: RunSettings,
  loadModel: ModelLoader,
  options: Omit<RunOptions, 'onEvent'> = {},
): AsyncGenerator<WholeRunEvent, RunResult, void> {
  checkNames('options', options, ['signal', 'stop']);
  const own = checkSignal('signal', options.signal);
  const left = new AbortController();
  const told: RunEvent[] = [];
  let wake = () => {};
  let isOver = false;
  const running = runTraining(settings, loadModel, {
    ...withoutUndefined({ stop: options.stop }),
    signal: own === undefined ? left.signal : AbortSignal.any([own, left.signal]),
    onEvent: (event) => {
      told.push(event);
      wake();
    },
  });
  const over = () => {
    isOver = true;
    wake();
  };
  running.then(over, over);
  try {
    for (;;) {
      for (let event = told.shift(); event !== undefined; event = told.shift()) yield event;
      if (isOver) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const result = await running;
    yield { kind: 'result', result };
    return result;
  } finally {
    if (!isOver) {
      left.abort(new Error('the reader of the events went away'));
      await running.catch((error: unknown) => {
        if (!(error instanceof SoulError) || error.code !== 'SOUL_CANCELLED') throw error;
      });
    }
  }
}
