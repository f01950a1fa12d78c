/**
 * Writing a model's folder: a whole model's, that of adapters, or the whole model that adapters are merged into.
 *
 * @module
 */

import { resolve } from 'node:path';
import type { Cancellable } from '../core/cancellation.ts';
import { invalidArgument } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { requireOtherThanBase, writeAdapterFolder } from '../model/adapter/adapter-folder.ts';
import { writeModelFolder } from '../model/model-folder.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { ModelMemory } from './model-memory.ts';

export interface SaveOptions {
  /** Whose files go along, in place of the tokenizer of the folder that the model was loaded from. */
  tokenizer?: HuggingFaceTokenizer;
  /** Replaces a model that is in the folder. Default false: it is an error. */
  overwrite?: boolean;
  /**
   * Of a model with adapters: what the folder says their base is (`base_model_name_or_path`), a name on the Hub for instance. Default the
   * whole path of the base's folder.
   */
  base?: string;
}

export type SaveMergedOptions = Omit<SaveOptions, 'base'> & Cancellable;

/** As `TorchLM.save`. */
export async function saveModel(memory: ModelMemory, folder: string, options: SaveOptions): Promise<void> {
  checkFolderName(folder);
  checkNames('options', options, ['tokenizer', 'overwrite', 'base']);
  memory.use();
  const { config, source, frozen } = memory.shape;
  const { values } = memory.parameters;
  if (frozen === undefined) return writeWhole(memory, folder, values, options);
  const { overwrite, base = source.folder && resolve(source.folder) } = options;
  const along = withoutUndefined({ base, tokenizer: tokenizerOf(memory, options), overwrite });
  await writeAdapterFolder(folder, config, frozen.adapter, values, along);
}

/** As `TorchLM.saveMerged`, of a model with adapters. */
export async function saveMergedModel(memory: ModelMemory, folder: string, options: SaveMergedOptions): Promise<void> {
  checkFolderName(folder);
  checkNames('options', options, ['tokenizer', 'overwrite', 'signal']);
  const { folder: base } = memory.shape.source;
  // At once: calls that are made after this one come after it.
  const values = await memory.mergedValues(options.signal);
  try {
    if (base !== undefined) await requireOtherThanBase(folder, base);
    await writeWhole(memory, folder, values, options);
  } finally {
    await values.release();
  }
}

async function writeWhole(
  memory: ModelMemory,
  folder: string,
  values: FlatBuffer<'f32' | 'bf16'>,
  options: SaveMergedOptions,
): Promise<void> {
  const { config, source } = memory.shape;
  const { generationConfig } = source;
  const along = { generationConfig, tokenizer: tokenizerOf(memory, options), overwrite: options.overwrite };
  await writeModelFolder(folder, config, values, withoutUndefined(along));
}

function tokenizerOf({ shape }: ModelMemory, { tokenizer }: SaveMergedOptions): string | undefined {
  return tokenizer?.folder ?? shape.source.tokenizer;
}

function checkFolderName(folder: unknown): void {
  if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'a path', folder);
}
