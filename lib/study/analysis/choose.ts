/**
 * Which trial of a draw the validation half chooses. The test half is looked at for what is reported alone.
 *
 * @module
 */

import type { TrialRecord } from '../trial/record.ts';
import { type Crossing, crossingOf } from './equal-forgetting.ts';
import { divergedScore, type Score, scoreOf } from './score.ts';

/** A trial with its scores at the end, in both halves. */
export interface ScoredTrial {
  readonly record: TrialRecord;
  readonly validation: Score;
  readonly test: Score;
}

/** The trial that is best at equal forgetting, and where that is. */
export interface EqualChoice {
  readonly record: TrialRecord;
  readonly crossing: Crossing;
}

/** The scores of a trial at its end; of one that diverged 0. */
export function scoredTrial(record: TrialRecord): ScoredTrial {
  if (record.outcome === 'diverged') return { record, validation: divergedScore, test: divergedScore };
  const { path, retrained } = record;
  const [start, end] = [path[0]!, path.at(-1)!];
  const of = (half: 'validation' | 'test') =>
    scoreOf(end[half], { start: start[half], retrainedForget: retrained?.[half].forget ?? 0 });
  return { record, validation: of('validation'), test: of('test') };
}

/**
 * The trials of a draw, the one that is chosen first: by the validation half's score at the end; of equal ones those that did not diverge
 * come first, then those with the lower number.
 */
export function byValidation(records: readonly TrialRecord[]): ScoredTrial[] {
  const diverged = ({ record }: ScoredTrial) => Number(record.outcome === 'diverged');
  return records
    .map(scoredTrial)
    .sort(
      (a, b) => b.validation.score - a.validation.score || diverged(a) - diverged(b) || a.record.trial - b.record.trial,
    );
}

/**
 * Of the trials that come down to the retrained model's forget probability the one that keeps most there, in the validation half; of equal
 * ones the one with the lower number. undefined where none does, or there is no retrained model. A trial that diverged takes no part.
 */
export function chooseEqual(records: readonly TrialRecord[]): EqualChoice | undefined {
  let best: EqualChoice | undefined;
  for (const record of [...records].sort((a, b) => a.trial - b.trial)) {
    const crossing = equalForgetting(record);
    if (crossing === undefined) continue;
    if (best === undefined || crossing.validation.retain > best.crossing.validation.retain) best = { record, crossing };
  }
  return best;
}

/** Where a trial is at equal forgetting; undefined where it never is. */
export function equalForgetting({ outcome, path, retrained }: TrialRecord): Crossing | undefined {
  if (outcome === 'diverged' || retrained === undefined) return undefined;
  return crossingOf(path, retrained.validation.forget);
}
