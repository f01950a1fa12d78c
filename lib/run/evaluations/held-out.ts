/**
 * Sets that a run measures and never trains on.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { whereIs } from '../../data/example.ts';
import type { ExampleSet } from '../../data/example-set.ts';
import { filterSentence } from '../../data/filter.ts';
import { countOverlap } from '../../data/overlap.ts';
import { readExampleSet } from '../../data/read-example-set.ts';
import type { CompleteRunSettings } from '../settings.ts';
import { needAnswers } from './figures.ts';

/**
 * Reads the files of `evaluateData`, as those that are trained on are read.
 *
 * @param trained on what the run trains
 * @throws SoulError of `readExampleSet`; SOUL_BAD_DATA for an example that is trained on, too, unless `allowOverlap`, and for a text
 *   without a question where the model is to answer
 */
export async function readHeldOut(
  { evaluateData = {}, evaluateFilter, evaluateFigures = [], allowOverlap }: CompleteRunSettings,
  trained: { readonly target: ExampleSet; readonly retain?: ExampleSet },
  onNote: (note: string) => void,
): Promise<Record<string, ExampleSet>> {
  const sets: Record<string, ExampleSet> = {};
  // A checkpoint has them in this order.
  for (const [name, files] of Object.entries(evaluateData).sort(([one], [other]) => (one < other ? -1 : 1))) {
    const set = await readExampleSet(files, evaluateFilter);
    for (const filter of set.filters ?? []) onNote(filterSentence(set, filter));
    for (const other of [trained.target, trained.retain]) {
      const { exact = 0, first } = other ? countOverlap(set.items, other.items) : {};
      if (exact === 0) continue;
      const where = `${first!.forget.file}:${first!.forget.line} as ${first!.retain.file}:${first!.retain.line}`;
      const sentence = `${exact} of ${set.items.length} examples of ${set.file}, which is to be measured alone, are trained on (${where})`;
      if (!allowOverlap) {
        throw new SoulError('SOUL_BAD_DATA', `${sentence}; take them out, or go on all the same (--allow-overlap)`, {
          argument: 'evaluateData',
          set: name,
          exact,
        });
      }
      onNote(sentence);
    }
    sets[name] = set;
  }
  if (needAnswers(evaluateFigures))
    for (const set of [...Object.values(trained), ...Object.values(sets)]) checkQuestions(set);
  return sets;
}

function checkQuestions({ items }: ExampleSet): void {
  const text = items.find(({ kind }) => kind === 'text');
  if (text === undefined) return;
  throw new SoulError(
    'SOUL_BAD_DATA',
    `${whereIs(text)} is a text without a question, to which the model has nothing to answer; take figures that need no answers (--evaluate-figures)`,
    { ...text.source, argument: 'evaluateFigures' },
  );
}
