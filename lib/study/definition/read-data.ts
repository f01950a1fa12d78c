/**
 * The models and splits of a study's file.
 *
 * @module
 */

import { resolve } from 'node:path';
import { withoutUndefined } from '../../core/optional.ts';
import { listOf } from '../../data/read-example-set.ts';
import { formAt, refusal, valuesAt } from './places.ts';
import type { StudyModel, StudySplit, StudyTraining } from './study.ts';
import { modelForms, splitForms } from './study-settings.ts';

/**
 * A model as a file has it.
 *
 * @param folder that paths are relative to
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function modelAt(place: string, value: unknown, folder: string): StudyModel {
  switch (formAt(place, modelForms, value)) {
    case 'model': {
      const { name, model, retrained } = valuesAt(place, modelForms.model, value, ['name']);
      return {
        name: name!,
        model: resolve(folder, model!),
        ...(retrained === undefined ? {} : { retrained: resolve(folder, retrained) }),
      };
    }
    case 'base': {
      const { name, base, training } = valuesAt(place, modelForms.base, value, ['name']);
      return { name: name!, base: resolve(folder, base!), training: training as StudyTraining };
    }
    default: {
      const { name } = valuesAt(place, modelForms.made, value, ['name']);
      return { name: name!, made: 'demo' };
    }
  }
}

/**
 * A split as a file has it.
 *
 * @param folder that paths are relative to
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function splitAt(place: string, value: unknown, folder: string): StudySplit {
  if (formAt(place, splitForms, value) === 'made') {
    const { name } = valuesAt(place, splitForms.made, value, ['name']);
    return { name: name!, made: 'demo' };
  }
  const given = valuesAt(place, splitForms.forget, value, ['name', 'retain']);
  const { name, forget, forgetFilter, retain, retainFilter, utility, tofu, tofuSplit } = given;
  if (tofu === undefined && tofuSplit !== undefined) {
    throw refusal(`${place}.tofuSplit`, "it is of TOFU's evaluation sets; name their folder, too (tofu)");
  }
  if (tofu !== undefined && tofuSplit === undefined) {
    throw refusal(place, 'it lacks tofuSplit, the name of the forget set in the folder tofu, as forget10');
  }
  const files = (paths: string | readonly string[]) => listOf(paths).map((path) => resolve(folder, path));
  const sets = Object.entries(utility ?? {}).map(([own, paths]) => [own, files(paths)]);
  return {
    name: name!,
    forget: files(forget!),
    retain: files(retain!),
    ...withoutUndefined({
      forgetFilter: forgetFilter === undefined ? undefined : [...listOf(forgetFilter)],
      retainFilter: retainFilter === undefined ? undefined : [...listOf(retainFilter)],
      utility: utility === undefined ? undefined : (Object.fromEntries(sets) as Record<string, string[]>),
      tofu: tofu === undefined ? undefined : resolve(folder, tofu),
      tofuSplit,
    }),
  };
}
