/**
 * A study as its folder keeps it: with paths that hold wherever the folder and what lies beside it are taken.
 *
 * @module
 */

import { relative, resolve, sep } from 'node:path';
import type { Study, StudyModel, StudySplit } from './definition/study.ts';

/** The study with its paths relative to a folder; `studyFrom` with that folder gives the study back. */
export function portableStudy(study: Study, folder: string): Study {
  const place = (path: string) => relative(resolve(folder), path).split(sep).join('/') || '.';
  return {
    ...study,
    models: study.models.map((model) => portableModel(model, place)),
    splits: study.splits.map((split) => portableSplit(split, place)),
  };
}

function portableModel(model: StudyModel, place: (path: string) => string): StudyModel {
  if ('base' in model) return { ...model, base: place(model.base) };
  if (!('model' in model)) return model;
  const { retrained } = model;
  return { ...model, model: place(model.model), ...(retrained === undefined ? {} : { retrained: place(retrained) }) };
}

function portableSplit(split: StudySplit, place: (path: string) => string): StudySplit {
  if ('made' in split) return split;
  const { utility, tofu } = split;
  const sets = Object.entries(utility ?? {}).map(([name, paths]) => [name, paths.map(place)]);
  return {
    ...split,
    forget: split.forget.map(place),
    retain: split.retain.map(place),
    ...(utility === undefined ? {} : { utility: Object.fromEntries(sets) }),
    ...(tofu === undefined ? {} : { tofu: place(tofu) }),
  };
}
