/**
 * The examples of a run, as its files and conditions choose them.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { ExampleSet } from '../data/example-set.ts';
import { filterExamples, filterSentence } from '../data/filter.ts';
import { countDuplicates } from '../data/overlap.ts';
import { listOf, readExampleSet } from '../data/read-example-set.ts';
import type { CompleteRunSettings } from './settings.ts';

/**
 * Reads what is to be forgotten or learned, and what is to be kept; says what conditions matched, and what stands there twice.
 *
 * @throws SoulError of `readExampleSet` and `filterExamples`; SOUL_BAD_DATA where nothing is left to keep
 */
export async function readChosenSets(
  { target, targetFilter, retain, retainRest, retainFilter }: CompleteRunSettings,
  onNote: (note: string) => void,
): Promise<{ target: ExampleSet; retain?: ExampleSet }> {
  const choose = (set: ExampleSet, conditions: string | readonly string[] | undefined, argument: string) => {
    if (conditions === undefined) return { matching: set };
    const parts = filterExamples(set, listOf(conditions), argument);
    onNote(filterSentence(set, parts.matching.filters!.at(-1)!));
    return parts;
  };
  const chosen = choose(await readExampleSet(target), targetFilter, 'targetFilter');
  const { count, first } = countDuplicates(chosen.matching.items);
  if (first !== undefined) {
    const { example, before } = first;
    const where = `${example.file}:${example.line} as ${before.file}:${before.line}`;
    onNote(
      `${count} of ${chosen.matching.items.length} examples of ${chosen.matching.file} repeat one before (${where})`,
    );
  }
  const kept = retainRest && 'rest' in chosen ? chosen.rest : undefined;
  if (kept?.items.length === 0) {
    throw new SoulError('SOUL_BAD_DATA', `the filter leaves no example of ${chosen.matching.file} to keep`, {
      argument: 'retainRest',
    });
  }
  const keep = kept ?? (retain === undefined ? undefined : await readExampleSet(retain));
  return {
    target: chosen.matching,
    ...(keep === undefined ? {} : { retain: choose(keep, retainFilter, 'retainFilter').matching }),
  };
}
