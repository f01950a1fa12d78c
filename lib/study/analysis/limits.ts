/**
 * What a study does not show, computed from it where that can be.
 *
 * @module
 */

import { weightsInWords } from '../../run/recipes/recipe.ts';
import type { TrialRecord } from '../trial/record.ts';
import { settingsAtEnds } from './search-ends.ts';
import type { CellSummary, StudySummary } from './summary.ts';
import { drawCounts } from './tables/study-table.ts';

/** Sentences, in the order of documents. */
export function limitsOf(summary: StudySummary, records: readonly TrialRecord[]): string[] {
  const { study, cells, done, total } = summary;
  const { models, splits, methods, optimizers, trials, evaluation } = study;
  const counted = cells.filter(({ draws }) => draws.length > 0);
  const used = counted.reduce((sum, cell) => sum + cell.trials, 0);
  const diverged = counted.reduce((sum, cell) => sum + cell.diverged, 0);
  const hasRetrained = records.some(({ retrained }) => retrained);
  return [
    ...(done < total ? [`${done} of ${total} trials are done; the others may change every figure.`] : []),
    ...(used < done
      ? [
          `${done - used} ${done - used === 1 ? 'trial is' : 'trials are'} left out: of draws, or of methods, for which not all optimizers have all their trials yet.`,
        ]
      : []),
    `It is of ${countOf(models.length, 'model')}${sizesOf(records)}, ${countOf(splits.length, 'split')} of data and ${countOf(methods.length, 'method')} (${methods.map(({ name }) => name).join(', ')}): of others it says nothing.`,
    `Each optimizer had ${countOf(trials, 'trial')} for each draw, at the same points of the search; with more, or with other ranges, the order may be another.`,
    ...intervalLimits(cells),
    ...unbounded(summary),
    ...(diverged > 0 ? [`${diverged} of ${used} trials diverged, and count with a score of 0.`] : []),
    ...settingsAtEnds(summary, records),
    ...(hasRetrained ? unreached(summary) : ['There is no retrained model: nothing is said at equal forgetting.']),
    `Half of the examples that are measured, at most ${evaluation.forget} to forget and ${evaluation.retain} to keep, chooses; the other half is reported.`,
    ...(evaluation.attacks.length === 0
      ? ['No attack was made: nothing is said of robustness.']
      : [
          'Attacks are on the trials that the score chose, which have neither forgotten equally much nor moved the weights equally far: a difference in robustness may come from either.',
        ]),
    ...(counted.some(({ figures }) => figures.utility)
      ? []
      : [
          'Nothing is said of what the model knew beside both sets: it was not measured, or the start knew nothing of it.',
        ]),
    `Times are of ${countOf(study.threads, 'thread')} on the processors named below, whatever else they did.`,
    ...slowed(records),
    ...(optimizers.length > 2
      ? [
          'The figures compare settings as they are named here, each searched in the same way; an optimizer with settings that no trial had is another.',
        ]
      : []),
  ];
}

/** What intervals tell, where there are some. */
function intervalLimits(cells: readonly CellSummary[]): string[] {
  const draws = drawCounts(cells);
  if (draws === '1') return ['There is one draw of the batches: nothing is said of how much another one would change.'];
  return [
    `Intervals are over ${draws} draws of the batches, of one model and the same items: they tell how much another order of the data changes, not another model, other data, or another seed of the search.`,
    'Several intervals are looked at, and none is widened for that.',
  ];
}

/** Of how many weights the models are, where the records say. */
function sizesOf(records: readonly TrialRecord[]): string {
  const sizes = [...new Set(records.map(({ made }) => made.weights).filter((size) => typeof size === 'number'))];
  if (sizes.length === 0) return '';
  return ` (${sizes
    .sort((a, b) => a - b)
    .map(weightsInWords)
    .join(', ')} weights)`;
}

/** How many times its processor time a descent may take before other work is seen in it. */
const usualWait = 1.3;

/** Trials that waited for a processor: the threads of a descent take nearly as much processor time as it lasts, or more. */
function slowed(records: readonly TrialRecord[]): string[] {
  const count = records.filter(({ cost }) => cost.seconds > usualWait * cost.processorSeconds).length;
  if (count === 0) return [];
  return [
    `${count} of ${records.length} trials took more than ${usualWait} times their processor time: other work ran beside them, and differences in time may be its doing; processor time tells more.`,
  ];
}

function unreached({ cells }: StudySummary): string[] {
  return cells
    .filter(({ figures }) => figures.equalReached && figures.equalReached.mean < 1)
    .map(({ model, split, method, optimizer, figures: { equalReached } }) => {
      const reached = Math.round(equalReached!.mean * equalReached!.draws);
      const place = `${optimizer} (${method} on ${model}, ${split})`;
      if (reached === 0)
        return `${place} never comes down to the retrained model's forget probability: at equal forgetting it has no figure.`;
      return `${place} comes down to the retrained model's forget probability in ${reached} of ${equalReached!.draws} draws; its figures at equal forgetting are of those alone.`;
    });
}

function countOf(count: number, what: string): string {
  return `${count === 1 ? 'one' : count} ${what}${count === 1 ? '' : 's'}`;
}

/** Where an interval goes beyond what its figure can be. */
function unbounded({ cells, figures }: StudySummary): string[] {
  const passes = cells.some((cell) =>
    figures.some(({ name, unit }) => {
      const { low = 0, high = 0 } = cell.figures[name] ?? {};
      return low < 0 || (unit === 'probability' && high > 1);
    }),
  );
  return passes
    ? ["Student's t knows no bounds: intervals of so few draws go below 0, or above 1, where the figure cannot be."]
    : [];
}
