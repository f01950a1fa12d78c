/**
 * All trials of a study, in the order in which they are made.
 *
 * @module
 */

import { checkInteger } from '../../core/checks.ts';
import { checkNames } from '../../core/option-names.ts';
import { algorithm } from '../../unlearn/registry.ts';
import type { Study, StudyMethod, StudyOptimizer } from '../definition/study.ts';
import { type TrialTask, trialId } from '../trial/record.ts';
import { haltonCoordinate, inRange } from './halton.ts';
import { retainCoefficientOf } from './retain-coefficient.ts';

/**
 * The trials, sorted by draw, trial, model, split, method and optimizer, so that whenever the work is cut off all optimizers have had
 * as many, but for the round that was under way.
 */
export function tasksOf(study: Study): TrialTask[] {
  const tasks: TrialTask[] = [];
  for (let draw = 0; draw < study.draws; draw++) {
    for (let trial = 0; trial < study.trials; trial++) {
      for (const { name: model } of study.models) {
        for (const { name: split } of study.splits) {
          for (const method of study.methods) {
            for (const optimizer of study.optimizers) {
              const task = { model, split, method: method.name, optimizer: optimizer.name, draw, trial };
              tasks.push({ id: trialId(task), ...task, searched: searchedAt(study, trial, method, optimizer) });
            }
          }
        }
      }
    }
  }
  return tasks;
}

/** A part of the work, whose parts differ by one trial of each optimizer at most. */
export interface Part {
  /** Which one, from 1. */
  readonly part: number;
  readonly of: number;
}

/**
 * One part of the trials; all parts together are all of them, and no two have one in common. What differs in the optimizer alone stays
 * together, so that no optimizer is measured on a machine that the others are not.
 *
 * @param tasks in the order of {@link tasksOf}
 * @throws SoulError SOUL_INVALID_ARGUMENT for a part beyond the last
 */
export function partOf(tasks: readonly TrialTask[], options: Part): TrialTask[] {
  checkNames('part', options, ['part', 'of']);
  const of = checkInteger('of', options.of);
  const part = checkInteger('part', options.part, { high: of });
  const rounds = new Map<string, TrialTask[]>();
  for (const task of tasks) {
    const round = [task.model, task.split, task.method, task.draw, task.trial].join('.');
    rounds.set(round, [...(rounds.get(round) ?? []), task]);
  }
  return [...rounds.values()].filter((_, index) => index % of === part - 1).flat();
}

/** What a trial takes of what is searched: the same point for every optimizer and draw. */
function searchedAt(
  { seed, search }: Study,
  trial: number,
  method: StudyMethod,
  { searches }: StudyOptimizer,
): TrialTask['searched'] {
  const [rate, retain, clipped] = [0, 1, 2].map((dimension) => haltonCoordinate(seed, trial, dimension));
  const usual = retainCoefficientOf(algorithm(method.name), method.settings);
  const [least, most] = search.retainCoefficient;
  return {
    learningRateFactor: inRange(search.learningRate, rate!),
    ...(usual === undefined ? {} : { retainCoefficient: inRange([usual * least, usual * most], retain!) }),
    ...(searches.includes('clippedFraction') ? { clippedFraction: inRange(search.clippedFraction, clipped!) } : {}),
  };
}
