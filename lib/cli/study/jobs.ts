/**
 * Worker processes that share the trials of a study.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { fromSources } from '../../core/package.ts';
import type { StudyEvent } from '../../study/worlds/events.ts';
import { type FromWorker, receivedError, type ToWorker, type WorkerTask } from './messages.ts';

export interface JobsOptions {
  readonly signal: AbortSignal;
  /** Told of every event of every worker, by the worker's number. */
  readonly onEvent: (event: StudyEvent, worker: number) => void;
  /** Told of a worker that died, and of the trial that it was at. */
  readonly onDeath: (text: string) => void;
}

/** How a worker ended. */
type Ending =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'died'; readonly how: string; readonly trial: string | undefined };

/** As much of what a worker printed as says why it died. */
const lastCharacters = 2000;

/**
 * Lets so many processes work until no trial is left that nobody has. One that dies leaves its trial to the others.
 *
 * @throws SoulError SOUL_CANCELLED by the signal, when all have ended; the first error of a worker, which ends the others; SOUL_INTERNAL
 *   where all died
 */
export async function runJobs(count: number, task: WorkerTask, options: JobsOptions): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  try {
    const endings = await Promise.all(
      Array.from({ length: count }, async (_, number) => {
        const ending = await runWorker(number, task, stopping.signal, options);
        if (ending.kind === 'failed') stop();
        if (ending.kind === 'died') options.onDeath(deathOf(ending));
        return ending;
      }),
    );
    throwIfCancelled(
      options.signal,
      'the study was cancelled; its finished trials are kept, and the same command goes on',
    );
    const failed = endings.find((ending) => ending.kind === 'failed');
    if (failed) throw failed.error;
    const died = endings.filter((ending) => ending.kind === 'died');
    if (died.length === count) {
      throw new SoulError(
        'SOUL_INTERNAL',
        `every worker process ended before its time; the last: ${deathOf(died.at(-1)!)}; finished trials are kept, and the same command ` +
          'goes on, with fewer at a time by --jobs',
      );
    }
  } finally {
    options.signal.removeEventListener('abort', stop);
  }
}

function deathOf({ how, trial }: Extract<Ending, { kind: 'died' }>): string {
  return `a worker process ended (${how})${trial === undefined ? '' : ` in the trial ${trial}`}`;
}

/** A module beside this one, as it lies in a checkout or in the built package. */
const workerModule = fileURLToPath(new URL(`./worker.${fromSources ? 'ts' : 'js'}`, import.meta.url));

function runWorker(number: number, task: WorkerTask, stop: AbortSignal, { onEvent }: JobsOptions): Promise<Ending> {
  // What this process was started with, a loader of TypeScript among it, the worker is started with, too.
  const child = fork(workerModule, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let ending: Ending | undefined;
  let trial: string | undefined;
  let printed = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-lastCharacters);
  });
  child.on('message', (message: FromWorker) => {
    if (message.kind === 'failed') ending = { kind: 'failed', error: receivedError(message.error) };
    else if (message.kind === 'done') ending = { kind: 'done' };
    else {
      const { event } = message;
      if (event.kind === 'begin') trial = event.task.id;
      else if (event.kind === 'trial') trial = undefined;
      onEvent(event, number);
    }
  });
  const tellStop = () => send(child, { kind: 'stop' });
  stop.addEventListener('abort', tellStop, { once: true });
  send(child, { kind: 'work', task });
  if (stop.aborted) tellStop();
  return new Promise((resolve) => {
    const end = (how: string) => {
      stop.removeEventListener('abort', tellStop);
      const last = printed.trim().split('\n').at(-1);
      resolve(ending ?? { kind: 'died', how: last ? `${how}: ${last}` : how, trial });
    };
    child.once('error', (error) => end(error.message));
    child.once('close', (code, signal) => end(signal ?? `exit code ${code}`));
  });
}

/** A worker that is gone hears nothing; how it ended is told when it has. */
function send(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => {});
}
