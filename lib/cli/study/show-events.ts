/**
 * A study that goes on, as progress shows it.
 *
 * @module
 */

import type { TrialRecord } from '../../study/trial/record.ts';
import type { StudyEvent } from '../../study/worlds/events.ts';
import type { Progress } from '../progress.ts';
import { stepFigures } from '../watching.ts';

/** Shows what is prepared, step by step. */
export function showingPreparation(progress: Progress): (event: StudyEvent) => void {
  const { tell } = progress;
  if (tell !== undefined) return (event) => tell({ ...event });
  return (event) => {
    if (event.kind === 'phase') progress.phase(event.phase);
    else if (event.kind === 'note') progress.note(event.text);
    else if (event.kind === 'progress') progress.update(event.done, event.total);
    else if (event.kind === 'step') progress.update(event.step.step, event.step.steps, stepFigures(event.step));
  };
}

/**
 * Shows trials that are done, of all; the time that is left follows from their pace.
 *
 * @param before how many were done before
 */
export function showingTrials(progress: Progress, before: number, total: number): (event: StudyEvent) => void {
  const { tell } = progress;
  if (tell !== undefined) return (event) => (event.kind === 'step' ? undefined : tell({ ...event }));
  progress.phase('trials');
  progress.update(before, total);
  let done = before;
  return (event) => {
    if (event.kind === 'note') progress.note(event.text);
    else if (event.kind === 'trial') progress.update(++done, total, trialFigures(event.record));
  };
}

function trialFigures({ id, outcome, path }: TrialRecord): string[] {
  const { test } = path.at(-1)!;
  const figures =
    outcome === 'diverged' ? 'diverged' : `forget ${test.forget.toFixed(3)}, retain ${test.retain.toFixed(3)}`;
  return [id, figures];
}
