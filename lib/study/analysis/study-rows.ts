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

/** In the order of the study; what is made for a study goes together alone. */
export function rowsOf({ models, splits, methods }: Study): StudyRow[] {
  return models.flatMap((model) =>
    splits
      .filter((split) => 'made' in split === 'made' in model)
      .flatMap((split) => methods.map((method) => ({ model: model.name, split: split.name, method: method.name }))),
  );
}
