/**
 * Weights in a Hugging Face folder: `model.safetensors`, or shards with an index.
 *
 * @module
 */

import { join } from 'node:path';
import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { exists } from '../core/files.ts';
import { type ArrayOf, FlatBuffer } from '../core/flat-buffer.ts';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../core/safetensors.ts';
import { elementCount } from '../core/shape.ts';
import { badCheckpoint, findParameters, type StoredTensor } from './checkpoint-names.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { embeddingName, headName, parameterLayout } from './decoder-weights.ts';
import { missingFile } from './folder-kind.ts';
import type { ParameterLayout, ParameterPlace } from './parameter-layout.ts';
import { indexFile, requireWeightFiles, singleFile, weightFiles } from './weight-files.ts';
import { widenHalf } from './widen.ts';

/** What a model's weights can be held in. */
export type WeightDType = 'f32' | 'bf16';

export interface ReadCheckpointOptions extends Cancellable {
  /** Told, before anything is read, of what in the files is unusual and what was made of it. */
  onNote?: (note: string) => void;
}

/**
 * Reads every parameter of a model into its place in `values`; float32, bfloat16 and float16 are taken, widened or rounded
 * to the nearest. No more than one tensor at a time is held beside.
 *
 * A tied model may carry its output layer's weight all the same, beside the embedding, which it must then equal, or in its place. Where
 * the two differ transformers takes the model as not tied; here config.json must say so.
 *
 * @param values as long as the model's layout, on any device
 * @throws SoulError SOUL_NOT_FOUND (no weights), SOUL_BAD_FILE (a weight missing, extra, of another shape, a damaged
 *   file; all are named), SOUL_UNSUPPORTED (an element type), SOUL_CANCELLED (the signal fired between two tensors)
 */
export async function readCheckpoint(
  folder: string,
  config: DecoderConfig,
  values: FlatBuffer<WeightDType>,
  { signal, onNote }: ReadCheckpointOptions = {},
): Promise<void> {
  const layout = parameterLayout(config);
  const { files, shardOf } = await openFiles(folder);
  try {
    const { tensors, tiedHead, notes } = findParameters(folder, config, files, shardOf);
    for (const note of notes) onNote?.(note);
    for (const [name, place] of layout) {
      throwIfCancelled(signal, `loading ${folder} was cancelled`, { folder, next: name });
      await readTensor(tensors.get(name)!, viewOf(values, place));
    }
    if (tiedHead) await checkTiedHead(folder, tiedHead, config, values);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/**
 * Writes every parameter of `layout` to `folder`/model.safetensors in the dtype of `values`, beside and renamed. One tensor at a
 * time is copied; work on `values` that was called before comes first.
 *
 * @param folder exists already
 */
export async function writeCheckpoint(
  folder: string,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
): Promise<void> {
  const tensors = [...layout].map(([name, place]) => ({
    name,
    dtype: values.dtype === 'f32' ? ('F32' as const) : ('BF16' as const),
    shape: place.shape,
    data: () => hostCopy(viewOf(values, place)),
  }));
  await writeSafetensors(join(folder, singleFile), tensors, { format: 'pt' });
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

async function readTensor({ file, name, dtype }: StoredTensor, target: FlatBuffer<WeightDType>): Promise<void> {
  const bytes = await file.read(name);
  const { buffer, byteOffset } = bytes;
  if (dtype === 'F16') await target.copyFrom(FlatBuffer.from(widenHalf(bytes)));
  else if (dtype === 'F32') await target.copyFrom(FlatBuffer.from(new Float32Array(buffer, byteOffset, target.length)));
  else await target.copyFrom(FlatBuffer.from(new Uint16Array(buffer, byteOffset, target.length)));
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

function viewOf(values: FlatBuffer<WeightDType>, { offset, shape }: ParameterPlace): FlatBuffer<WeightDType> {
  return values.view(offset, elementCount(shape));
}

async function hostCopy(source: FlatBuffer<WeightDType>): Promise<ArrayOf<WeightDType>> {
  const copy = FlatBuffer.alloc(source.length, { dtype: source.dtype });
  await copy.copyFrom(source);
  return copy.array;
}
