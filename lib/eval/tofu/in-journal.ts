/**
 * Work on the items of an evaluation, which goes on after an interruption.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { describe } from '../../core/errors.ts';
import { badFileOf } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import type { EvaluationProgress } from '../progress.ts';
import type { EvaluationJournal } from './journal.ts';
import type { Asked } from './questions.ts';

export interface PartOptions extends Cancellable {
  /** Items at once. */
  batchSize?: number;
  /** Tokens at once. */
  batchTokens?: number;
  /** Where what was found is kept on the way, and taken from. */
  journal?: EvaluationJournal;
  /** Called after every part. */
  onProgress?: (progress: EvaluationProgress) => void;
}

/** Goes through items in parts, keeps what each gives, and takes what is kept already. */
export async function inJournal<Item extends Pick<Asked, 'set' | 'index'>, Result extends object>(
  phase: EvaluationProgress['phase'],
  asked: readonly Item[],
  parts: readonly number[][],
  options: PartOptions,
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const { journal, signal, onProgress } = options;
  const results = new Array<Result>(asked.length);
  let done = 0;
  for (const indices of parts) {
    const keys = indices.map((index) => `${phase} ${asked[index]!.set} ${asked[index]!.index}`);
    const isKept = keys.every((key) => journal?.has(key));
    if (!isKept) {
      throwIfCancelled(signal, `the evaluation was cancelled after ${done} of ${asked.length} items`, {
        phase,
        done,
        total: asked.length,
      });
    }
    const found = isKept ? keys.map((key) => keptOf<Result>(journal!, key)) : await work(indices.map((i) => asked[i]!));
    if (!isKept) await journal?.add(keys.map((key, i) => [key, found[i]!] as const));
    for (const [i, index] of indices.entries()) results[index] = found[i]!;
    done += indices.length;
    // What is kept took no time, by which the rest could be estimated.
    if (!isKept) onProgress?.({ phase, done, total: asked.length });
  }
  return results;
}

/** What a journal has of an item. */
function keptOf<Result extends object>(journal: EvaluationJournal, key: string): Result {
  const value = journal.get(key);
  if (isObject(value)) return value as Result;
  throw badFileOf(journal.file)(
    `is damaged: it has ${describe(value)} of ${describe(key)}; remove the file to begin anew`,
  );
}
