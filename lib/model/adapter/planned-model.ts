/**
 * What a model will be that is loaded with adapters, before it is.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { readModelConfig } from '../config.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { type AdapterConfig, type AdapterOptions, adapterConfig } from './adapter-config.ts';
import { isAdapterFolder, modelFolders, readAdapterConfig } from './adapter-folder.ts';

export interface PlannedModel {
  readonly config: DecoderConfig;
  /** Absent where all weights train. */
  readonly adapter?: AdapterConfig;
  /** Whether the adapters are made anew. */
  readonly isFresh: boolean;
}

/**
 * @param wanted.adapter fresh adapters on a whole model
 * @param wanted.base of a folder of adapters
 * @throws SoulError of {@link readModelConfig}, {@link adapterConfig}, {@link modelFolders}, {@link readAdapterConfig}; SOUL_INVALID_ARGUMENT
 *   for fresh adapters beside those of a folder
 */
export async function plannedModel(
  folder: string,
  wanted: { readonly adapter?: AdapterOptions; readonly base?: string } = {},
): Promise<PlannedModel> {
  const { model } = await modelFolders(folder, wanted.base);
  const config = await readModelConfig(model);
  const isFresh = wanted.adapter !== undefined;
  if (!(await isAdapterFolder(folder))) {
    return { config, isFresh, ...(wanted.adapter ? { adapter: adapterConfig(wanted.adapter, config) } : {}) };
  }
  if (!isFresh) return { config, isFresh, adapter: (await readAdapterConfig(folder)).on(config) };
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${folder} holds adapters already; leave adapter out`, {
    argument: 'adapter',
    folder,
  });
}
