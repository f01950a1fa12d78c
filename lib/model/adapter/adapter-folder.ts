/**
 * Folders of adapters, and often a tokenizer: as PEFT has them, adapter_config.json and adapter_model.safetensors, or unlearning layers,
 * unlearning_layers.json and unlearning_layers.safetensors.
 *
 * @module
 */

import { realpath, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { asSoulError, SoulError, shortName } from '../../core/errors.ts';
import { exists, makeFolders, replaceFile } from '../../core/files.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { toJson, toPythonJson } from '../../core/json.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import { type WeightDType, writeTensors } from '../stored-tensor.ts';
import { copyTokenizerFiles, requireTokenizerFiles } from '../tokenizer-files.ts';
import { indexFile, singleFile } from '../weight-files.ts';
import type { AdapterConfig } from './adapter-config.ts';
import { adapterLayout } from './adapter-layout.ts';
import { adapterWeightsFile } from './adapter-weights.ts';
import { adapterConfigFile, peftConfig, readPeftConfig } from './peft-config.ts';
import {
  gramFileName,
  readUnlearningLayers,
  unlearningLayersFile,
  unlearningLayersJson,
  unlearningWeightsFile,
} from './unlearning-layers-file.ts';

export interface AdapterFolderOptions {
  /** What `base_model_name_or_path` says; null by default. */
  base?: string;
  /** The folder whose tokenizer goes along, which must have one; none by default. */
  tokenizer?: string;
  /** Replaces adapters that are there. Default false. */
  overwrite?: boolean;
}

/** Names of all that folders of adapters hold beside a tokenizer. */
export const adapterFiles: readonly string[] = [
  ...[adapterConfigFile, adapterWeightsFile],
  ...[unlearningLayersFile, unlearningWeightsFile, gramFileName],
];

/** Of them those that say what the adapters are, and name their base. */
export const adapterConfigFiles: readonly string[] = [adapterConfigFile, unlearningLayersFile];

/** Whether a folder holds adapters and no whole model; a config.json alone, which some put beside adapters, makes none. */
export async function isAdapterFolder(folder: string): Promise<boolean> {
  const adapters = await Promise.all(adapterConfigFiles.map((name) => exists(join(folder, name))));
  return adapters.includes(true) && !(await holdsWholeModel(folder));
}

async function holdsWholeModel(folder: string): Promise<boolean> {
  const there = await Promise.all([singleFile, indexFile].map((name) => exists(join(folder, name))));
  return there.includes(true);
}

/** What a folder of adapters says of them, before the base is known. */
export interface StoredAdapter {
  /** `base_model_name_or_path`. */
  readonly base: string | undefined;
  /** The file that says so. */
  readonly file: string;
  /** The file of their weights. */
  readonly weights: string;
  /** The adapters on a base of this shape. */
  on(model: DecoderConfig): AdapterConfig;
}

/** Where the parts of a model lie. */
export interface ModelFolders {
  /** The whole model: the folder itself, or the base of adapters. */
  readonly model: string;
  /** What belongs to its tokenizer: an adapter's own, else its base's. */
  readonly tokenizer: string;
}

/**
 * @param base of adapters; default what their adapter_config.json names
 * @throws SoulError of {@link adapterBase}
 */
export async function modelFolders(folder: string, base?: string): Promise<ModelFolders> {
  if (!(await isAdapterFolder(folder))) return { model: folder, tokenizer: folder };
  const model = await adapterBase(folder, base);
  return { model, tokenizer: (await exists(join(folder, 'tokenizer.json'))) ? folder : model };
}

/**
 * Reads adapter_config.json or unlearning_layers.json.
 *
 * @throws SoulError of {@link readPeftConfig} and {@link readUnlearningLayers}; SOUL_BAD_FILE for a folder that has both
 */
export async function readAdapterConfig(folder: string): Promise<StoredAdapter> {
  if (!(await exists(join(folder, unlearningLayersFile)))) {
    return { ...(await readPeftConfig(folder)), file: adapterConfigFile, weights: adapterWeightsFile };
  }
  if (await exists(join(folder, adapterConfigFile))) {
    throw new SoulError(
      'SOUL_BAD_FILE',
      `${folder} has both ${adapterConfigFile} and ${unlearningLayersFile}; adapters of two kinds are not run at once: part them`,
      { folder },
    );
  }
  const { config, base } = await readUnlearningLayers(folder);
  return { base, file: unlearningLayersFile, weights: unlearningWeightsFile, on: () => config };
}

/**
 * The folder of the model that adapters belong to: the one given, else what their configuration names, from the adapter's folder on or
 * from the working directory.
 *
 * @throws SoulError SOUL_NOT_FOUND where the name is no folder here; SOUL_UNSUPPORTED for adapters on adapters; of {@link readAdapterConfig}
 */
export async function adapterBase(folder: string, given?: string): Promise<string> {
  const found = given ?? (await namedBase(folder));
  if (await isAdapterFolder(found)) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `the base of the adapter ${folder}, ${found}, is an adapter itself: merge that into its own base, and give the folder of it as base`,
      { folder, base: found },
    );
  }
  return found;
}

async function namedBase(folder: string): Promise<string> {
  const { base, file } = await readAdapterConfig(folder);
  const candidates = base === undefined ? [] : isAbsolute(base) ? [base] : [join(folder, base), resolve(base)];
  for (const candidate of candidates) {
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isDirectory()) return candidate;
  }
  const named = base === undefined ? 'names no base' : `has the base ${shortName(base)}, which is no folder here`;
  throw new SoulError(
    'SOUL_NOT_FOUND',
    `the adapter ${folder} ${named} (base_model_name_or_path in its ${file}): name the folder of that model there, or give it as base (--base)`,
    { folder, base },
  );
}

/**
 * Checks that a merged model is not to be written over its base, beside which the adapters would then count twice.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export async function requireOtherThanBase(folder: string, base: string): Promise<void> {
  const [out, under] = await Promise.all([folder, base].map((each) => realpath(each).catch(() => resolve(each))));
  if (out !== under) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${folder} is the base of the adapters: merged into it, they would count twice when they are loaded with it again; name another folder`,
    { argument: 'folder', folder },
  );
}

/**
 * Writes adapters, LoRA's in PEFT's form; the folder is made if it isn't there. Each file is written beside and renamed, the weights last.
 *
 * @throws SoulError SOUL_EXISTS where the folder holds a model, adapters or files of a tokenizer, and `overwrite` is not set;
 *   SOUL_NOT_FOUND where the tokenizer is gone; SOUL_FILE_SYSTEM. Nothing is written but in the last case.
 */
export async function writeAdapterFolder(
  folder: string,
  model: DecoderConfig,
  adapter: AdapterConfig,
  values: FlatBuffer<WeightDType>,
  options: AdapterFolderOptions = {},
): Promise<void> {
  const { base, tokenizer, overwrite = false } = options;
  const isLora = adapter.kind === 'lora';
  try {
    await makeFolders(folder);
    await requireAdapterRoom(folder, adapter, overwrite);
    const copied = tokenizer !== undefined && resolve(tokenizer) !== resolve(folder);
    if (copied) await requireTokenizerFiles(tokenizer, folder, { overwrite });
    if (isLora) {
      await replaceFile(
        join(folder, adapterConfigFile),
        toPythonJson(peftConfig(model, adapter, base), ['lora_dropout']),
      );
    } else await replaceFile(join(folder, unlearningLayersFile), toJson(unlearningLayersJson(adapter, base)));
    if (copied) await copyTokenizerFiles(tokenizer, folder, { overwrite });
    // Those of what was there before would be taken for the new ones'.
    if (!isLora) await rm(join(folder, gramFileName), { force: true });
    const weights = isLora ? adapterWeightsFile : unlearningWeightsFile;
    await writeTensors(join(folder, weights), adapterLayout(model, adapter), values);
  } catch (error) {
    throw asSoulError(error);
  }
}

/**
 * Checks that there is room for adapters. A whole model stays in any case: beside it they would not be found.
 *
 * @throws SoulError SOUL_EXISTS
 */
export async function requireAdapterRoom(
  folder: string,
  { kind }: Pick<AdapterConfig, 'kind'>,
  overwrite = false,
): Promise<void> {
  if (await holdsWholeModel(folder)) {
    throw new SoulError('SOUL_EXISTS', `${folder} holds a whole model; name another folder for its adapters`, {
      folder,
    });
  }
  // Of another kind they would stay beside the new ones.
  const other = kind === 'lora' ? [unlearningLayersFile] : [adapterConfigFile];
  const own = [adapterConfigFile, adapterWeightsFile, unlearningLayersFile, unlearningWeightsFile];
  for (const name of own) {
    if ((overwrite && !other.includes(name)) || !(await exists(join(folder, name)))) continue;
    throw new SoulError(
      'SOUL_EXISTS',
      `${folder} holds adapters already (${name}); name another folder, or replace them with { overwrite: true }`,
      { folder },
    );
  }
}
