/**
 * Weights in a Hugging Face folder: `model.safetensors`, or shards with an index.
 *
 * @module
 */

import { join } from 'node:path';
import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { exists } from '../core/files.ts';
import { type ArrayOf, FlatBuffer } from '../core/flat-buffer.ts';
import { openSafetensors, type SafetensorsFile } from '../core/safetensors.ts';
import { elementCount } from '../core/shape.ts';
import { badCheckpoint, findParameters } from './checkpoint-names.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { embeddingName, headName, parameterLayout } from './decoder-weights.ts';
import { missingFile } from './folder-kind.ts';
import type { ParameterLayout } from './parameter-layout.ts';
import { readTensor, type StoredTensor, viewOf, type WeightDType, writeTensors } from './stored-tensor.ts';
import { indexFile, requireWeightFiles, singleFile, weightFiles } from './weight-files.ts';

export type { WeightDType } from './stored-tensor.ts';

export interface ReadCheckpointOptions extends Cancellable {
  /** Told, before anything is read, of what in the files is unusual and what was made of it. */
  onNote?: (note: string) => void;
}

/** The weights of a folder, of which names, shapes and element types are known to fit the model. */
export interface Checkpoint {
  /**
   * Reads every parameter into its place; no more than one tensor at a time is held beside.
   *
   * @param values as long as the model's layout, on any device
   * @throws SoulError SOUL_BAD_FILE (a damaged file, a tied output layer that differs), SOUL_CANCELLED (the signal fired between two
   *   tensors)
   */
  readInto(values: FlatBuffer<WeightDType>, options?: ReadCheckpointOptions): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the files of a model's weights and checks by their headers, before memory is taken for any of them, that they are the
 * model's; float32, bfloat16 and float16 are taken, widened or rounded to the nearest.
 *
 * A tied model may carry its output layer's weight all the same, beside the embedding, which it must then equal, or in its place. Where
 * the two differ transformers takes the model as not tied; here config.json must say so.
 *
 * @throws SoulError SOUL_NOT_FOUND (no weights), SOUL_BAD_FILE (a weight missing, extra, of another shape, a damaged
 *   file; all are named), SOUL_UNSUPPORTED (an element type)
 */
export async function openCheckpoint(folder: string, config: DecoderConfig): Promise<Checkpoint> {
  const { files, shardOf } = await openFiles(folder);
  const close = async () => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const { tensors, tiedHead, notes } = findParameters(folder, config, files, shardOf);
    return {
      async readInto(values, { signal, onNote } = {}) {
        for (const note of notes) onNote?.(note);
        for (const [name, place] of parameterLayout(config)) {
          throwIfCancelled(signal, `loading ${folder} was cancelled`, { folder, next: name });
          await readTensor(tensors.get(name)!, viewOf(values, place));
        }
        if (tiedHead) await checkTiedHead(folder, tiedHead, config, values);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Reads every parameter of a model into its place in `values`.
 *
 * @throws SoulError of {@link openCheckpoint} and {@link Checkpoint.readInto}
 */
export async function readCheckpoint(
  folder: string,
  config: DecoderConfig,
  values: FlatBuffer<WeightDType>,
  options: ReadCheckpointOptions = {},
): Promise<void> {
  const checkpoint = await openCheckpoint(folder, config);
  try {
    await checkpoint.readInto(values, options);
  } finally {
    await checkpoint.close();
  }
}

/**
 * Writes every parameter of `layout` to `folder`/model.safetensors, as {@link writeTensors}.
 *
 * @param folder exists already
 */
export function writeCheckpoint(
  folder: string,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
): Promise<void> {
  return writeTensors(join(folder, singleFile), layout, values);
}

/** The open files; `shardOf` has the file for each tensor where there is an index. */
async function openFiles(folder: string): Promise<{ files: SafetensorsFile[]; shardOf?: ReadonlyMap<string, string> }> {
  const { names, ...rest } = await weightFiles(folder);
  if (names.length === 0) {
    const pickled = await exists(join(folder, 'pytorch_model.bin'));
    const why = pickled
      ? 'pytorch_model.bin is not read: convert it to safetensors (save_pretrained of transformers)'
      : `nor is there ${indexFile}; download the model's weights`;
    throw await missingFile(folder, singleFile, why);
  }
  await requireWeightFiles(folder, names);
  const files: SafetensorsFile[] = [];
  try {
    for (const name of names) files.push(await openSafetensors(join(folder, name)));
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
  return { files, ...rest };
}

async function checkTiedHead(
  folder: string,
  tensor: StoredTensor,
  config: DecoderConfig,
  values: FlatBuffer<WeightDType>,
): Promise<void> {
  const [embedding, head] = [embeddingName(config), headName(config)];
  const found = FlatBuffer.alloc(elementCount(tensor.shape), { dtype: values.dtype });
  await readTensor(tensor, found);
  const expected = await hostCopy(viewOf(values, parameterLayout(config).get(embedding)!));
  if (found.array.every((value, i) => Object.is(value, expected[i]))) return;
  throw badCheckpoint(folder, [
    `${head} differs from ${embedding}, though config.json ties them (tie_word_embeddings): set that to false there to use both, or take ${head} out to use the embedding for both`,
  ]);
}

async function hostCopy(source: FlatBuffer<WeightDType>): Promise<ArrayOf<WeightDType>> {
  const copy = FlatBuffer.alloc(source.length, { dtype: source.dtype });
  await copy.copyFrom(source);
  return copy.array;
}
