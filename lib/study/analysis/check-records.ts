/**
 * What records of trials must be before anything is made of them.
 *
 * @module
 */

import { checkNumber } from '../../core/checks.ts';
import { SoulError } from '../../core/errors.ts';
import type { Study } from '../definition/study.ts';
import type { PathPoint, TrialRecord } from '../trial/record.ts';
import { rowsOf, type StudyRow } from './study-rows.ts';

/**
 * Each record is of a trial of the study, none is there twice, and a path goes forward over probabilities.
 *
 * @throws SoulError SOUL_BAD_FILE, with the id of the record
 */
export function checkRecords(study: Study, records: readonly TrialRecord[]): void {
  const rows = new Set(rowsOf(study).map(rowKey));
  const optimizers = new Set(study.optimizers.map(({ name }) => name));
  const seen = new Map<string, string>();
  for (const record of records) {
    const { id, optimizer, draw, trial } = record;
    const refuse = (why: string): never => {
      throw new SoulError('SOUL_BAD_FILE', `the record of the trial ${id} ${why}`, { id });
    };
    if (
      !rows.has(rowKey(record)) ||
      !optimizers.has(optimizer) ||
      !isBelow(draw, study.draws) ||
      !isBelow(trial, study.trials)
    )
      refuse(`is of no trial of the study ${study.name}; remove it, or mend the study's file`);
    const key = JSON.stringify([rowKey(record), optimizer, draw, trial]);
    const other = seen.get(key);
    if (other !== undefined) refuse(`is of the same trial as ${other}; remove one of them`);
    seen.set(key, id);
    if (record.path.length === 0) refuse('has no path: neither start nor end; remove it, and run the trial again');
    try {
      checkPath(record);
    } catch (error) {
      refuse(`cannot be: ${(error as Error).message}; remove it, and run the trial again`);
    }
  }
}

export function rowKey({ model, split, method }: StudyRow): string {
  return JSON.stringify([model, split, method]);
}

function isBelow(value: unknown, count: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < count;
}

function checkPath({ path, retrained }: TrialRecord): void {
  for (const [i, point] of path.entries()) {
    checkNumber(`path[${i}].step`, point.step, i === 0 ? {} : { low: path[i - 1]!.step, lowExclusive: true });
    checkLevels(`path[${i}]`, point);
  }
  if (retrained) checkLevels('retrained', retrained);
}

function checkLevels(name: string, point: Pick<PathPoint, 'validation' | 'test'>): void {
  for (const half of ['validation', 'test'] as const) {
    for (const set of ['forget', 'retain'] as const)
      checkNumber(`${name}.${half}.${set}`, point[half][set], { high: 1 });
  }
}
