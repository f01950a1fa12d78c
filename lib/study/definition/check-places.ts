/**
 * What a study's paths lead to, looked at before hours are spent on it.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { forgetFile } from '../../eval/tofu/sets.ts';
import { checkModelFolder, missingFile } from '../../model/folder-kind.ts';
import type { Study, StudySplit } from './study.ts';

/**
 * Refuses a study whose folders of models lack what a model has, or whose files are not there. Nothing is loaded.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, with the place in the study
 */
export async function checkPlaces({ models, splits }: Pick<Study, 'models' | 'splits'>): Promise<void> {
  for (const [i, model] of models.entries()) {
    if ('made' in model) continue;
    const folders = 'model' in model ? { model: model.model, retrained: model.retrained } : { base: model.base };
    for (const [name, folder] of Object.entries(folders)) {
      if (folder !== undefined) await of(`models[${i}].${name}`, () => checkModel(folder));
    }
  }
  for (const [i, split] of splits.entries()) {
    if ('made' in split) continue;
    for (const [name, file] of filesOf(split)) await of(`splits[${i}].${name}`, () => checkFile(file));
  }
}

async function checkModel(folder: string): Promise<void> {
  await checkModelFolder(folder);
  for (const file of ['config.json', 'tokenizer.json']) {
    if (!(await exists(join(folder, file)))) throw await missingFile(folder, file);
  }
}

/** The files of a split, each with the name of its setting. */
function filesOf({ forget, retain, utility = {}, tofu, tofuSplit }: Extract<StudySplit, { forget: unknown }>) {
  const each = (name: string, files: readonly string[]) => files.map((file): [string, string] => [name, file]);
  return [
    ...each('forget', forget),
    ...each('retain', retain),
    ...Object.entries(utility).flatMap(([set, files]) => each(`utility.${set}`, files)),
    ...(tofu === undefined ? [] : each('tofu', [forgetFile(tofu, tofuSplit!)])),
  ];
}

async function checkFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new SoulError('SOUL_NOT_FOUND', `${file} does not exist`, { file });
  if (!found.isFile()) throw new SoulError('SOUL_BAD_FILE', `${file} is no file; name the files in it`, { file });
}

async function of(place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    throw new SoulError(
      error.code,
      `${place}: ${error.message}`,
      { ...error.details, argument: place },
      { cause: error },
    );
  }
}
