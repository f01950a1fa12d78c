/**
 * A worker process of `soul study`: does trials that nobody has taken, one after another, and tells the command of each.
 *
 * @module
 */

import { prepareStudy, workOnTrials } from '../../study/run-study.ts';
import { studyLoading } from './loading.ts';
import { type FromWorker, sentError, type ToWorker, type WorkerTask } from './messages.ts';

const stopping = new AbortController();

// A terminal sends its signals to all processes; the command alone decides, and when it is gone there is nobody to work for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => stopping.abort());
process.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') stopping.abort();
  else void work(message.task);
});

async function work({ study, folder, part, device }: WorkerTask): Promise<void> {
  const { signal } = stopping;
  const options = { folder, signal, ...studyLoading(study, device), ...(part ? { part } : {}) };
  try {
    // The command has prepared everything, which is found and not made.
    const pairs = await prepareStudy(study, options);
    await workOnTrials(study, pairs, { ...options, onEvent: (event) => tell({ kind: 'event', event }) });
    await tell({ kind: 'done' });
  } catch (error) {
    await tell({ kind: 'failed', error: sentError(error) });
  }
  if (process.connected) process.disconnect();
}

/** Sent as a whole before the next thing is done; to a command that is gone, nothing is said. */
async function tell(message: FromWorker): Promise<void> {
  if (!process.connected) return;
  await new Promise<void>((resolve) => {
    process.send!(message, undefined, undefined, () => resolve());
  });
}
