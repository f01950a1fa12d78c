/**
 * A model's folder as commands and runs take it: a whole model, or adapters with their base.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { LoraConfig } from './adapter/adapter-config.ts';
import { isAdapterFolder, type ModelFolders, modelFolders, readAdapterConfig } from './adapter/adapter-folder.ts';
import { readModelConfig } from './config.ts';
import { checkModelFolder } from './folder-kind.ts';
import { HuggingFaceTokenizer } from './tokenizer.ts';

export interface OpenedFolder extends ModelFolders {
  /** Whether it has adapters alone, and {@link ModelFolders.model} is their base. */
  readonly isAdapter: boolean;
}

/**
 * Checks what can be known of a model's folder without its weights, and says where its parts lie.
 *
 * @param base of adapters; default what their adapter_config.json names
 * @throws SoulError of {@link checkModelFolder}; SOUL_INVALID_ARGUMENT for a base that is given to a whole model
 */
export async function openModelFolder(folder: string, base?: string): Promise<OpenedFolder> {
  await checkModelFolder(folder, { adapters: true, ...withoutUndefined({ base }) });
  const isAdapter = await isAdapterFolder(folder);
  if (base !== undefined && !isAdapter) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `a base is given (--base), but ${folder} is a whole model; leave it out`,
      {
        argument: 'base',
        folder,
      },
    );
  }
  return { ...(await modelFolders(folder, base)), isAdapter };
}

/** As {@link openModelFolder}, of a folder that is one of several: the base is of those that are adapters. */
export async function openOneOf(folder: string, base?: string): Promise<OpenedFolder> {
  return openModelFolder(folder, (await isAdapterFolder(folder)) ? base : undefined);
}

/**
 * Adapters that fold into their base, as what changes weights or writes them as one model needs them; undefined of a whole model.
 *
 * @throws SoulError SOUL_UNSUPPORTED for unlearning layers; of {@link readAdapterConfig}
 */
export async function mergeableAdapters(
  folder: string,
  { isAdapter, model }: OpenedFolder,
): Promise<LoraConfig | undefined> {
  if (!isAdapter) return undefined;
  const adapter = (await readAdapterConfig(folder)).on(await readModelConfig(model));
  if (adapter.kind === 'lora') return adapter;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${folder} holds unlearning layers, which cannot be merged: what they add is no product with a weight of the model. Give a whole model here, and the folder itself where a model is only run; soul fuse makes several into one`,
    { folder },
  );
}

/** The tokenizer of an opened folder. */
export function tokenizerOf({ model, tokenizer }: ModelFolders): Promise<HuggingFaceTokenizer> {
  return HuggingFaceTokenizer.load(tokenizer, { model });
}
