/**
 * What a figure of a study is made from.
 *
 * @module
 */

import type { TrialRecord } from '../../trial/record.ts';
import type { EqualChoice, ScoredTrial } from '../choose.ts';
import type { Levels, Scale } from '../score.ts';
import type { StudyFigure } from '../summary.ts';

/** One draw of a cell: all trials of one optimizer with one method on one model and split. */
export interface DrawOutcome {
  readonly trials: readonly TrialRecord[];
  /** The trial with the best score at the end, as the validation half has it. */
  readonly end: ScoredTrial;
  /** The trial that keeps most at equal forgetting; absent where none comes so far. */
  readonly equal?: EqualChoice;
}

/** A model that trials are compared with, on the test half. */
export interface Reference {
  readonly name: 'original' | 'retrained';
  readonly levels: Levels;
  readonly scale: Scale;
  /** A trial, whose start and retrained model are those of all of its model and split. */
  readonly record: TrialRecord;
}

export interface FigureDefinition extends StudyFigure {
  /** Of one draw; undefined where it has none. */
  of(outcome: DrawOutcome): number | undefined;
  /** Of a model that trials are compared with. */
  ofReference?(reference: Reference): number | undefined;
  /** A count over draws, of which Student's t says nothing, and no difference is taken. */
  readonly isCount?: true;
}

/** A figure of the chosen trial's end, which one that diverged does not have. */
export function ofEnd(
  of: (record: TrialRecord, test: Levels) => number | undefined,
): (outcome: DrawOutcome) => number | undefined {
  return ({ end: { record } }) => (record.outcome === 'diverged' ? undefined : of(record, record.path.at(-1)!.test));
}
