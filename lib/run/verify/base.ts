/**
 * Whether the base of adapters is still what their record says.
 *
 * @module
 */

import { join, resolve } from 'node:path';
import { readJsonFile } from '../../core/files.ts';
import { adapterConfigFiles, isAdapterFolder } from '../../model/adapter/adapter-folder.ts';
import { type Loose, loose, texts } from '../loose.ts';
import { type Check, checksOf } from './check.ts';
import { checkModel } from './files.ts';

/** The base of a run with adapters; nothing of another run, whose folder must not hold adapters then. */
export async function checkBase(
  folder: string,
  record: Loose,
  given: { readonly base?: string | undefined; readonly model?: string | undefined },
  signal?: AbortSignal,
): Promise<Check[]> {
  const { failed } = checksOf('inputs');
  if (record.adapter === undefined) {
    if (await isAdapterFolder(folder))
      return [failed('adapter: expected in run.json what the adapters are and their base, found nothing')];
    return given.base === undefined ? [] : [failed('base: expected a run with adapters, found one without')];
  }
  const base = loose(loose(record.adapter).base);
  const named = loose(await configOf(folder));
  const place = given.base ?? texts(named).base_model_name_or_path;
  const began = given.model ?? texts(loose(record.settings)).model;
  const isCompared = loose(record.inputs).base === undefined;
  // Of a run that began with it, it is the model, which is looked at already.
  const checks =
    isCompared && began !== undefined && place !== undefined && resolve(began) === resolve(place)
      ? []
      : [
          await checkModel(base, place, given.base !== undefined, signal, [
            'base',
            'the model that the adapters belong to',
            '--base',
          ]),
        ];
  if (base.changed === false) return checks;
  return [...checks, failed('base: expected one that did not change while the run went on, found that it did')];
}

/** What the adapters' own file says; undefined where none can be read. */
async function configOf(folder: string): Promise<unknown> {
  for (const name of adapterConfigFiles) {
    const found = await readJsonFile(join(folder, name)).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}
