/**
 * Writing a model as a Hugging Face folder.
 *
 * @module
 */

import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { makeFolders, replaceFile } from '../core/files.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { toPythonJson } from '../core/json.ts';
import { adapterConfigFile } from './adapter/peft-config.ts';
import { unlearningLayersFile } from './adapter/unlearning-layers-file.ts';
import { type WeightDType, writeCheckpoint } from './checkpoint.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { parameterLayout } from './decoder-weights.ts';
import { copyTokenizerFiles, requireTokenizerFiles } from './tokenizer-files.ts';

export interface ModelFolderOptions {
  /** The content of generation_config.json. */
  generationConfig?: string;
  /** The folder whose tokenizer goes along, which must have one; none by default. */
  tokenizer?: string;
  /** Replaces a model that is there. Default false. */
  overwrite?: boolean;
}

/**
 * Writes config.json, model.safetensors, and what the options name; the folder is made if it isn't there. Each file is written
 * beside and renamed, the weights last; shards of a model that was there go then.
 *
 * @throws SoulError SOUL_EXISTS where the folder holds adapters, or a model or files of a tokenizer and `overwrite` is not set;
 *   SOUL_NOT_FOUND where the tokenizer is gone; of {@link writeCheckpoint}; SOUL_FILE_SYSTEM. Nothing is written but in the last
 *   two cases.
 */
export async function writeModelFolder(
  folder: string,
  config: DecoderConfig,
  values: FlatBuffer<WeightDType>,
  options: ModelFolderOptions = {},
): Promise<void> {
  const { generationConfig, tokenizer, overwrite = false } = options;
  try {
    const before = await requireRoom(folder, overwrite);
    await makeFolders(folder);
    const copied = tokenizer !== undefined && resolve(tokenizer) !== resolve(folder);
    if (copied) await requireTokenizerFiles(tokenizer, folder, { overwrite });
    await replaceFile(join(folder, 'config.json'), toPythonJson(huggingFaceConfig(config, values.dtype), floatKeys));
    if (generationConfig !== undefined) await replaceFile(join(folder, 'generation_config.json'), generationConfig);
    if (copied) await copyTokenizerFiles(tokenizer, folder, { overwrite });
    await writeCheckpoint(folder, parameterLayout(config), values);
    for (const name of before.filter((each) => shard.test(each))) await rm(join(folder, name));
  } catch (error) {
    throw asSoulError(error);
  }
}

/**
 * Checks that a model can be written to a folder, which need not be there. Adapters stay in any case: transformers would load those with
 * their own base, and not the model beside them.
 *
 * @returns the model's files that are there
 * @throws SoulError SOUL_EXISTS where there are adapters, or a model and `overwrite` is not set
 */
export async function requireRoom(folder: string, overwrite: boolean): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw asSoulError(error);
  });
  const adapters = [adapterConfigFile, unlearningLayersFile].find((name) => names.includes(name));
  if (adapters !== undefined) {
    throw new SoulError(
      'SOUL_EXISTS',
      `${folder} holds adapters (${adapters}), which would be taken for a part of a model beside them; name another folder`,
      { folder },
    );
  }
  const before = names.filter((name) => modelFile.test(name));
  if (before.length === 0 || overwrite) return before;
  throw new SoulError(
    'SOUL_EXISTS',
    `${folder} holds a model already (${before[0]}); name another folder, or replace it with { overwrite: true }`,
    { folder },
  );
}

/** Keys of config.json for whose values transformers 5 takes no integer. */
const floatKeys: readonly string[] = [
  'attn_logit_softcapping',
  'final_logit_softcapping',
  'initializer_range',
  'layer_norm_eps',
  'layer_norm_epsilon',
  'rms_norm_eps',
];

const modelFile = /^config\.json$|^model.*\.safetensors(\.index\.json)?$/;
/** What one file of weights replaces. */
const shard = /^model-\d+-of-\d+\.safetensors$|\.index\.json$/;

/**
 * The content of config.json: all that was read as it was, with the dtype of the weights and what else versions of transformers look
 * for (the rope in the keys of 4 and of 5).
 */
export function huggingFaceConfig(config: DecoderConfig, dtype: WeightDType = 'f32'): Record<string, unknown> {
  const torchDType = dtype === 'f32' ? 'float32' : 'bfloat16';
  return {
    ...config.source,
    architectures: [config.architecture],
    model_type: config.modelType,
    ...config.written,
    torch_dtype: torchDType,
    dtype: torchDType,
  };
}
