/**
 * What a trial's figures depend on, as a hash.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { publishedSize } from '../../run/run-optimizer.ts';
import type { Study, StudyModel, StudySplit } from '../definition/study.ts';
import type { TrialTask } from '../trial/record.ts';
import { entryNamed } from './entry.ts';
import { trialSettings } from './trial-settings.ts';

/**
 * SHA-256, in hexadecimal, over everything that decides a trial's figures: all settings of its descent with their defaults, model and
 * split, what is measured, seeds, dtype and threads. Of the study it leaves out titles and names, the numbers of trials and draws, and
 * the other methods and optimizers, so that these may be changed and what was done still counts.
 *
 * Paths are not in it, since the same data lie elsewhere on another machine; give the hashes of what they hold instead.
 *
 * @param contents hashes of the model's and the split's files, under names that do not depend on where they lie
 */
export function trialIdentity(study: Study, task: TrialTask, contents: Readonly<Record<string, string>> = {}): string {
  const model = entryNamed('model', study.models, task.model);
  const split = entryNamed('split', study.splits, task.split);
  // Learning rate and epochs follow from the model's and the set's sizes: these stand for all.
  const settings = trialSettings(study, task, { weights: publishedSize, examples: 1 });
  const { methodSettings, optimizer, optimizerSettings, descent, seed, chosen } = settings;
  const identity = {
    version: 1,
    model: withoutPlace(model),
    split: withoutPlace(split),
    method: { name: chosen.algorithm.name, settings: methodSettings },
    ...{ optimizer, optimizerSettings, descent },
    seeds: { study: study.seed, draw: seed },
    training: study.training,
    evaluation: study.evaluation,
    ...{ dtype: study.dtype, threads: study.threads },
    contents,
  };
  return createHash('sha256')
    .update(JSON.stringify(inOrder(identity)))
    .digest('hex');
}

/** What decides a model or a split beside the files that it names. */
function withoutPlace(entry: StudyModel | StudySplit): object {
  if ('made' in entry) return { made: entry.made };
  if ('model' in entry) return { hasRetrained: entry.retrained !== undefined };
  if ('base' in entry) return { training: entry.training };
  const { forgetFilter, retainFilter, utility, tofuSplit } = entry;
  return { forgetFilter, retainFilter, utility: Object.keys(utility ?? {}).sort(), tofuSplit };
}

/** The value with the names of every object sorted, and bigints as texts, so that the order in a file is of no effect. */
function inOrder(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, entry]) => [name, inOrder(entry)]),
  );
}
