/**
 * Whether a search was wide enough for an optimizer, as far as its trials tell.
 *
 * @module
 */

import type { TrialRecord } from '../trial/record.ts';
import { rowKey } from './check-records.ts';
import { scoredTrial } from './choose.ts';
import { meanOf } from './student-t.ts';
import type { StudySummary } from './summary.ts';

/** What is searched of every optimizer, in words. */
const searchedWords = {
  learningRateFactor: 'learning rate',
  retainCoefficient: 'retain coefficient',
  clippedFraction: 'clipped fraction',
} as const satisfies Record<keyof TrialRecord['searched'], string>;

/** Where the settings that are best over all draws are the first or the last that were tried, so that better ones may lie beyond. */
export function settingsAtEnds({ study, cells }: StudySummary, records: readonly TrialRecord[]): string[] {
  // Of two settings each is at an end.
  if (study.trials < 3) return [];
  return cells.flatMap((cell) => {
    const { model, split, method, optimizer, draws } = cell;
    const own = records.filter(
      (record) => rowKey(record) === rowKey(cell) && record.optimizer === optimizer && draws.includes(record.draw),
    );
    if (own.length === 0) return [];
    const settings = Array.from({ length: study.trials }, (_, trial) => {
      const scored = own.filter((record) => record.trial === trial).map(scoredTrial);
      return { ...scored[0]!.record, value: meanOf(scored.map(({ validation }) => validation.score)) };
    });
    const best = settings.reduce((one, other) => (other.value > one.value ? other : one));
    return Object.entries(searchedWords).flatMap(([name, word]) => {
      const searchedOf = ({ searched }: Pick<TrialRecord, 'searched'>) => searched[name as keyof typeof searchedWords];
      const value = searchedOf(best);
      if (value === undefined) return [];
      const tried = settings.map((setting) => searchedOf(setting)!);
      const [lowest, highest] = [Math.min(...tried), Math.max(...tried)];
      if (value > lowest && value < highest) return [];
      const which = value === lowest ? 'lowest' : 'highest';
      return `The best setting of ${optimizer} (${method} on ${model}, ${split}), by the mean of the half that chooses, has the ${which} ${word} that was tried: beyond it may be a better one.`;
    });
  });
}
