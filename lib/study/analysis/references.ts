/**
 * Figures of the models that trials are compared with.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import type { Study } from '../definition/study.ts';
import type { TrialRecord } from '../trial/record.ts';
import type { Reference } from './figures/figure.ts';
import { figures } from './figures/list.ts';
import { rowsOf } from './study-rows.ts';
import type { StudySummary } from './summary.ts';

/** Of each model and split of which a trial is there, from its trial with the first name: all say the same. */
export function referencesOf(study: Study, records: readonly TrialRecord[]): StudySummary['references'] {
  const keys = new Map(rowsOf(study).map(({ model, split }) => [JSON.stringify([model, split]), { model, split }]));
  const sorted = [...records].sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
  return [...keys.values()].flatMap(({ model, split }) => {
    const record = sorted.find((each) => each.model === model && each.split === split);
    if (record === undefined) return [];
    return [...modelsOf(record)].map((reference) => ({
      model,
      split,
      name: reference.name,
      figures: withoutUndefined(
        Object.fromEntries(figures.map(({ name, ofReference }) => [name, ofReference?.(reference)])),
      ) as Record<string, number>,
    }));
  });
}

function* modelsOf(record: TrialRecord): Generator<Reference> {
  const start = record.path[0]!.test;
  const { retrained } = record;
  const scale = { start, retrainedForget: retrained?.test.forget ?? 0 };
  yield { name: 'original', levels: start, scale, record };
  if (retrained) yield { name: 'retrained', levels: retrained.test, scale, record };
}
