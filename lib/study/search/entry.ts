/**
 * The parts of a study that a task names.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';

/**
 * The entry of a study's list by its name.
 *
 * @param what it is, for the error
 * @throws SoulError SOUL_INVALID_ARGUMENT for a task of another study
 */
export function entryNamed<Entry extends { readonly name: string }>(
  what: 'model' | 'split' | 'method' | 'optimizer',
  entries: readonly Entry[],
  name: string,
): Entry {
  const found = entries.find((entry) => entry.name === name);
  if (found) return found;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `the study has no ${what} ${name}: the task is another study's; tasks are made by tasksOf(study)`,
    { argument: 'task' },
  );
}
