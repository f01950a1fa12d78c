/**
 * What decides the figures of a trial.
 *
 * @module
 */

import type { Study } from '../definition/study.ts';
import { digestOf, type StudyWorld } from '../worlds/world.ts';
import type { TrialTask } from './record.ts';

/**
 * SHA-256, in hexadecimal, over everything of a study that decides the figures of one of its trials: settings, and the bytes of data and
 * models, wherever they lie. How many trials and draws there are, and what the study is called, is no part of it, so that a study can
 * be made longer.
 */
export function trialIdentity(study: Study, world: StudyWorld, task: TrialTask): string {
  const { seed, training, evaluation, dtype, threads } = study;
  const own = <Entry extends { readonly name: string }>(entries: readonly Entry[], name: string) =>
    entries.find((entry) => entry.name === name);
  const { text: _, ...optimizer } = own(study.optimizers, task.optimizer)!;
  return digestOf({
    ...{ seed, training, evaluation, dtype, threads, task, optimizer },
    method: own(study.methods, task.method),
    world: world.from,
  });
}
