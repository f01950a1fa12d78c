/**
 * The adapters of a run: fresh ones on a whole model, or those of the folder that it goes on with.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import type { OpenedFolder } from '../model/open-model-folder.ts';
import { modelChecksums } from './checksums.ts';
import { adapterOptions } from './lora-setting.ts';
import type { AdapterChoice } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

/** What a record tells of a model with adapters. */
export interface TrainedAdapter {
  readonly config: AdapterConfig;
  /** The folder of the base. */
  readonly base: string;
  /** Whether files of the base are others at the end than at the beginning. */
  readonly isChanged: boolean;
}

/**
 * What a run's model is loaded with.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for fresh adapters beside those that a folder holds
 */
export function adaptersOf(
  { model, lora, base, seed }: Pick<CompleteRunSettings, 'model' | 'lora' | 'base' | 'seed'>,
  { isAdapter }: Pick<OpenedFolder, 'isAdapter'>,
): AdapterChoice {
  if (lora !== undefined && isAdapter) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `fresh adapters are asked for (--lora), but ${model} holds adapters already: leave --lora out to go on with those, or merge them first (soul merge)`,
      { argument: 'lora', model },
    );
  }
  return withoutUndefined({ adapter: adapterOptions(lora, seed), base });
}

/** Whether the files of a folder are no more those that had these hashes. */
export async function isChanged(
  folder: string,
  sums: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<boolean> {
  const now = await modelChecksums(folder, signal);
  return JSON.stringify(Object.entries(now)) !== JSON.stringify(Object.entries(sums));
}

const reversible =
  'a deletion that can be taken back: who removes the adapter has the base again; merging (soul merge) is what deletes';

/**
 * What run.json says of the adapters.
 *
 * @param name how the base is called
 */
export function adapterRecord(
  { config, isChanged: changed }: TrainedAdapter,
  name: string,
  sha256: Readonly<Record<string, string>>,
  deletes: boolean,
): object {
  return { ...config, base: { folder: name, sha256, changed }, ...(deletes ? { note: reversible } : {}) };
}
