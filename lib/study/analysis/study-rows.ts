/**
 * What of a study is compared with each other.
 *
 * @module
 */

import type { Study } from '../definition/study.ts';

/** A method on a model and a split, with which all optimizers are tried. */
export interface StudyRow {
  readonly model: string;
  readonly split: string;
  readonly method: string;
}

/** In the order of the study. */
export function rowsOf({ models, splits, methods }: Pick<Study, 'models' | 'splits' | 'methods'>): StudyRow[] {
  return models.flatMap(({ name: model }) =>
    splits.flatMap(({ name: split }) => methods.map(({ name: method }) => ({ model, split, method }))),
  );
}
