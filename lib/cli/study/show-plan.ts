/**
 * What a study will take, as the command says it beforehand.
 *
 * @module
 */

import type { Device } from '../../core/devices.ts';
import { printable } from '../../core/errors.ts';
import { usableProcessors } from '../../core/processors.ts';
import { memoryFor } from '../../run/memory-plan.ts';
import type { Study } from '../../study/definition/study.ts';
import type { StudyPlan } from '../../study/plan-study.ts';
import { duration, memory } from '../terminal.ts';

/** A plan for so many processes. */
export interface JobsPlan extends StudyPlan {
  readonly jobs: number;
  /** Why there are no more, where nobody said how many. */
  readonly limitedBy: 'asked' | 'processors' | 'memory' | 'trials';
  /** From now to the end. */
  readonly seconds: number;
}

/**
 * @param asked processes, where somebody said how many; else as many as keep the processors busy, as far as memory holds them; on a GPU
 *   one
 */
export function planJobs(
  plan: StudyPlan,
  { threads }: Pick<Study, 'threads'>,
  device: Device,
  asked?: number,
): JobsPlan {
  const ofProcessors = device === 'cpu' ? Math.max(1, Math.floor(usableProcessors() / threads)) : 1;
  const there = memoryFor({ device });
  const ofMemory =
    plan.memory === undefined || there === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(1, Math.floor(there / plan.memory));
  const left = Math.max(1, plan.trials - plan.done);
  // A process without a trial would load a model for nothing.
  const jobs = Math.min(asked ?? Math.min(ofProcessors, ofMemory), left);
  const busy = Math.min(jobs, left, Math.max(1, usableProcessors() / threads));
  return {
    ...plan,
    jobs,
    limitedBy:
      asked !== undefined
        ? 'asked'
        : jobs === left && left < ofProcessors
          ? 'trials'
          : ofMemory < ofProcessors
            ? 'memory'
            : 'processors',
    seconds: plan.preparingSeconds + plan.trialSeconds / busy,
  };
}

const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : 's'}`;

/** Lines that say what comes. */
export function planText(study: Study, plan: JobsPlan): string {
  const { cells, trials, done, jobs, preparingSeconds, seconds, memory: bytes, limitedBy } = plan;
  const lines = [
    `${printable(study.title)}: ${count(study.optimizers.length, 'optimizer')} in ${count(cells, 'cell')} (model, split, method, optimizer), ${count(study.trials, 'trial')} and ${count(study.draws, 'draw')} of each`,
    `${count(trials, 'trial')}${done > 0 ? `, ${done} of them done` : ''}`,
    `${jobs} at a time, of ${count(study.threads, 'thread')}${limitedBy === 'memory' ? '; memory holds no more' : ''}`,
    `about ${duration(seconds)}${preparingSeconds >= 1 ? `, ${duration(preparingSeconds)} of it to make the models` : ''} (measured on a batch; refined as trials finish)`,
  ];
  if (bytes !== undefined) lines.push(`about ${memory(bytes)} of memory for each, ${memory(jobs * bytes)} for all`);
  return lines.join('\n');
}
