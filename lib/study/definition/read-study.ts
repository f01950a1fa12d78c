/**
 * A study's file: JSON or YAML, checked before anything is loaded.
 *
 * @module
 */

import { basename, dirname, extname, resolve } from 'node:path';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { readJsonFile } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import { checkNames } from '../../core/option-names.ts';
import { readYamlFile } from '../../core/yaml-file.ts';
import type { ValuesOf } from '../../run/run-setting.ts';
import { seedOf } from '../../run/settings-json.ts';
import { checkTogether } from './check-together.ts';
import { listAt, refusal, valuesAt } from './places.ts';
import { modelAt, splitAt } from './read-data.ts';
import { methodAt, optimizerAt } from './read-optimizers.ts';
import type { Study } from './study.ts';
import {
  type methodForm,
  type modelForms,
  type optimizerForm,
  type splitForms,
  studySettings,
} from './study-settings.ts';

type Needing<Values, Name extends keyof Values> = Values & Required<Pick<Values, Name>>;
type Forms = typeof modelForms;

/** What a study's file holds: all but models, splits, methods and optimizers may be left out. */
export interface StudyFile extends Omit<ValuesOf<typeof studySettings>, 'seed'> {
  /** For editors. */
  readonly $schema?: string;
  /** A decimal string where it is above 2^53. */
  readonly seed?: number | string | bigint;
  readonly models: readonly (
    | Needing<ValuesOf<Forms['model']>, 'name' | 'model'>
    | Needing<ValuesOf<Forms['base']>, 'name' | 'base'>
    | Required<ValuesOf<Forms['made']>>
  )[];
  readonly splits: readonly (
    | Needing<ValuesOf<(typeof splitForms)['forget']>, 'name' | 'forget' | 'retain'>
    | Required<ValuesOf<(typeof splitForms)['made']>>
  )[];
  /** Names, or names with settings. */
  readonly methods: readonly (string | Needing<ValuesOf<typeof methodForm>, 'name'>)[];
  /** Names that studies know, or optimizers of the file's own. */
  readonly optimizers: readonly (string | Needing<ValuesOf<typeof optimizerForm>, 'name' | 'optimizer'>)[];
}

const lists = ['models', 'splits', 'methods', 'optimizers'] as const satisfies (keyof StudyFile)[];

/**
 * Reads a study's file, YAML where it ends in .yaml or .yml, else JSON. Paths in it are relative to its folder. Nothing that it names is
 * looked at.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE; SOUL_INVALID_ARGUMENT, with the place in the file
 */
export async function readStudy(file: string): Promise<Study> {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) throw invalidArgument('file', 'a path', file);
  const extension = extname(file);
  const isYaml = ['.yaml', '.yml'].includes(extension.toLowerCase());
  const content = await (isYaml ? readYamlFile(file) : readJsonFile(file));
  if (content === undefined) {
    throw new SoulError('SOUL_NOT_FOUND', `${file} does not exist; soul study --example shows what it holds`, { file });
  }
  try {
    return studyFrom(content, { folder: dirname(resolve(file)), name: basename(file, extension) });
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    throw new SoulError(error.code, `${file}: ${error.message}`, { ...error.details, file }, { cause: error });
  }
}

/**
 * The study that the value of a JSON or YAML file is, with every default; also of one that was written in full.
 *
 * @param options.folder that paths are relative to
 * @param options.name of the study where it has none
 * @throws SoulError SOUL_INVALID_ARGUMENT, with the place
 */
export function studyFrom(value: unknown, options: { readonly folder: string; readonly name: string }): Study {
  checkNames('options', options, ['folder', 'name']);
  if (!isObject(value))
    throw invalidArgument('the study', 'an object with models, splits, methods and optimizers', value);
  checkNames('the study', value, ['$schema', ...lists, ...Object.keys(studySettings)]);
  const { $schema: _, models, splits, methods, optimizers, ...settings } = value;
  for (const list of lists) {
    if (value[list] !== undefined) continue;
    throw refusal(list, 'the study lacks this list; soul study --example shows one');
  }
  const seeded = settings.seed === undefined ? settings : { ...settings, seed: seedOf(settings.seed) };
  const named = seeded.name === undefined ? { ...seeded, name: options.name } : seeded;
  const own = valuesAt('', studySettings, named) as Omit<Study, (typeof lists)[number]>;
  const study: Study = {
    ...own,
    title: own.title ?? own.name,
    models: listAt('models', models, (place, entry) => modelAt(place, entry, options.folder)),
    splits: listAt('splits', splits, (place, entry) => splitAt(place, entry, options.folder)),
    methods: listAt('methods', methods, methodAt),
    optimizers: listAt('optimizers', optimizers, (place, entry) => optimizerAt(place, entry, own)),
  };
  checkTogether(study);
  return study;
}
