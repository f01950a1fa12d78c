/**
 * What a study's trials come to, whether all are done or not.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import type { Study } from '../definition/study.ts';
import type { TrialRecord } from '../trial/record.ts';
import { expectedBest } from './best-of.ts';
import { checkRecords, rowKey } from './check-records.ts';
import { byValidation, chooseEqual } from './choose.ts';
import type { DrawOutcome, FigureDefinition } from './figures/figure.ts';
import { figures } from './figures/list.ts';
import { referencesOf } from './references.ts';
import { estimateOf } from './student-t.ts';
import { rowsOf, type StudyRow } from './study-rows.ts';
import type { CellSummary, Comparison, Estimate, StudySummary } from './summary.ts';

/** An optimizer of a row, with what each of its draws came to, in the order of the draws. */
interface Cell {
  readonly optimizer: string;
  readonly outcomes: readonly (DrawOutcome & { readonly draw: number })[];
}

/**
 * Choices, figures and differences of a study. A draw counts where every trial of every optimizer with the same model, split and method
 * is done: so all optimizers stand equal at any time. A trial that diverged counts, with a score of 0. Nothing depends on the order of the records.
 *
 * @throws SoulError SOUL_BAD_FILE of {@link checkRecords}
 */
export function summarize(study: Study, records: readonly TrialRecord[]): StudySummary {
  checkRecords(study, records);
  const rows = rowsOf(study);
  const ofRows = rows.map((row) => {
    const key = rowKey(row);
    return {
      row,
      cells: cellsOf(
        study,
        records.filter((record) => rowKey(record) === key),
      ),
    };
  });
  return {
    study,
    done: records.length,
    total: rows.length * study.optimizers.length * study.draws * study.trials,
    figures: figures.map(({ name, label, text, better, unit }) => ({ name, label, text, better, unit })),
    references: referencesOf(study, records),
    cells: ofRows.flatMap(({ row, cells }) => cells.map((cell) => summaryOf(row, cell))),
    comparisons: ofRows.flatMap(({ row, cells }) => [...comparisonsOf(row, cells)]),
  };
}

function cellsOf({ optimizers, draws, trials }: Study, records: readonly TrialRecord[]): Cell[] {
  const ofDraws = Array.from({ length: draws }, (_, draw) => records.filter((record) => record.draw === draw));
  // Each trial is there once at most.
  const whole = ofDraws.flatMap((own, draw) => (own.length === optimizers.length * trials ? [draw] : []));
  return optimizers.map(({ name: optimizer }) => ({
    optimizer,
    outcomes: whole.map((draw) => {
      const own = ofDraws[draw]!.filter((record) => record.optimizer === optimizer);
      return { draw, trials: own, end: byValidation(own)[0]!, ...withoutUndefined({ equal: chooseEqual(own) }) };
    }),
  }));
}

function summaryOf(row: StudyRow, { optimizer, outcomes }: Cell): CellSummary {
  const trials = outcomes.flatMap((outcome) => outcome.trials);
  return {
    ...row,
    optimizer,
    draws: outcomes.map(({ draw }) => draw),
    trials: trials.length,
    diverged: trials.filter(({ outcome }) => outcome === 'diverged').length,
    chosen: outcomes.map(({ draw, end, equal }) => ({
      draw,
      end: end.record.id,
      ...withoutUndefined({ equal: equal?.record.id }),
    })),
    figures: withoutUndefined(
      Object.fromEntries(figures.map((figure) => [figure.name, figureOf(figure, outcomes)])),
    ) as Record<string, Estimate>,
    bestOf: bestOf(outcomes),
  };
}

function figureOf({ of, isCount }: FigureDefinition, outcomes: readonly DrawOutcome[]): Estimate | undefined {
  const estimate = estimateOf(outcomes.map(of).filter((value) => value !== undefined));
  return estimate && isCount ? { mean: estimate.mean, draws: estimate.draws } : estimate;
}

/** Of each number of trials the mean over the draws, each exact over all subsets. */
function bestOf(outcomes: readonly DrawOutcome[]): Estimate[] {
  const ofDraws = outcomes.map(({ trials }) => expectedBest(byValidation(trials).map(({ test }) => test.score)));
  return (ofDraws[0] ?? []).map((_, n) => estimateOf(ofDraws.map((expected) => expected[n]!))!);
}

/** Each optimizer less each that stands before it in the study, over the draws in which both have the figure. */
function* comparisonsOf(row: StudyRow, cells: readonly Cell[]): Generator<Comparison> {
  for (const [i, cell] of cells.entries()) {
    for (const other of cells.slice(0, i)) {
      for (const { name: figure, of, isCount } of figures) {
        if (isCount) continue;
        // The draws of both are the same.
        const differences = cell.outcomes.flatMap((outcome, draw) => {
          const [own, others] = [of(outcome), of(other.outcomes[draw]!)];
          return own === undefined || others === undefined ? [] : [own - others];
        });
        const difference = estimateOf(differences);
        if (difference) yield { ...row, figure, optimizer: cell.optimizer, other: other.optimizer, difference };
      }
    }
  }
}
