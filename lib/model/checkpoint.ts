/**
 * Weights in a Hugging Face folder: `model.safetensors`, or shards with an index.
 *
 * @module
 */

import { basename, join } from 'node:path';
import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { exists, readJsonFile } from '../core/files.ts';
import { type ArrayOf, FlatBuffer } from '../core/flat-buffer.ts';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../core/safetensors.ts';
import { elementCount } from '../core/shape.ts';
import type { ParameterLayout, ParameterPlace } from './parameter-layout.ts';
import { widenHalf } from './widen.ts';

/** What a model's weights can be held in. */
export type WeightDType = 'f32' | 'bf16';

/** Element types of weights that can be read. */
const readable: ReadonlySet<string> = new Set(['F32', 'BF16', 'F16']);

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';

/** Buffers that old versions saved beside the weights; they are computed, never read. */
const computed = /(^|\.)rotary_emb\.inv_freq$/;

/**
 * Reads every parameter of `layout` into its place in `values`; float32, bfloat16 and float16 are taken, widened or rounded
 * to the nearest. No more than one tensor at a time is held beside.
 *
 * A tied model may carry `lm_head.weight` all the same: it must then equal the embedding.
 *
 * @param values as long as the layout, on any device
 * @throws SoulError SOUL_NOT_FOUND (no weights), SOUL_BAD_FILE (a weight missing, extra, of another shape, a damaged
 *   file; all are named), SOUL_UNSUPPORTED (an element type), SOUL_CANCELLED (the signal fired between two tensors)
 */
export async function readCheckpoint(
  folder: string,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
  { signal }: Cancellable = {},
): Promise<void> {
  const files = await openFiles(folder);
  try {
    const owners = new Map<string, SafetensorsFile>();
    for (const file of files) {
      for (const name of file.tensors.keys()) {
        const other = owners.get(name);
        if (other) throw badCheckpoint(folder, [`${name} is in ${basename(other.path)} and in ${basename(file.path)}`]);
        owners.set(name, file);
      }
    }
    checkTensors(folder, layout, owners);
    for (const [name, place] of layout) {
      throwIfCancelled(signal, `loading ${folder} was cancelled`, { folder, next: name });
      await readTensor(owners.get(name)!, name, viewOf(values, place));
    }
    const extraHead = layout.get(head) ? undefined : owners.get(head);
    if (extraHead) await checkTiedHead(folder, extraHead, layout, values);
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

const embedding = 'model.embed_tokens.weight';
const head = 'lm_head.weight';

async function openFiles(folder: string): Promise<SafetensorsFile[]> {
  const names = (await exists(join(folder, singleFile))) ? [singleFile] : await shardNames(folder);
  const files: SafetensorsFile[] = [];
  try {
    for (const name of names) files.push(await openSafetensors(join(folder, name)));
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
  return files;
}

async function shardNames(folder: string): Promise<string[]> {
  const path = join(folder, indexFile);
  const index = await readJsonFile(path);
  if (index === undefined) {
    const pickled = await exists(join(folder, 'pytorch_model.bin'));
    throw new SoulError(
      'SOUL_NOT_FOUND',
      `${folder} has neither ${singleFile} nor ${indexFile}${
        pickled ? '; pytorch_model.bin is not read: convert it to safetensors (save_pretrained of transformers)' : ''
      }`,
      { folder },
    );
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  const names = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : [];
  const plain = names.filter((name) => typeof name === 'string' && name !== '' && basename(name) === name) as string[];
  if (plain.length === 0 || plain.length < names.length) {
    throw new SoulError('SOUL_BAD_FILE', `${path} must have a weight_map from tensors to files of the same folder`, {
      path,
    });
  }
  return plain.sort();
}

/** Compares what the files hold with what the model needs and reports everything at once. */
function checkTensors(folder: string, layout: ParameterLayout, owners: ReadonlyMap<string, SafetensorsFile>): void {
  const problems: string[] = [];
  for (const [name, place] of layout) {
    const tensor = owners.get(name)?.tensors.get(name);
    if (!tensor) problems.push(`${name} is missing`);
    else if (!sameShape(tensor.shape, place)) {
      problems.push(`${name} has shape [${tensor.shape}], but config.json gives [${place.shape}]`);
    }
  }
  for (const name of owners.keys()) {
    const tiedHead = name === head && layout.get(embedding) !== undefined;
    if (!layout.get(name) && !computed.test(name) && !tiedHead) problems.push(`${name} is not part of this model`);
  }
  if (problems.length > 0) throw badCheckpoint(folder, problems);
  for (const [name] of layout) {
    const { dtype } = owners.get(name)!.tensors.get(name)!;
    if (!readable.has(dtype)) {
      throw new SoulError('SOUL_UNSUPPORTED', `${folder}: ${name} is ${dtype}; supported are F32, BF16 and F16`, {
        name,
      });
    }
  }
}

async function readTensor(file: SafetensorsFile, name: string, target: FlatBuffer<WeightDType>): Promise<void> {
  const { dtype } = file.tensors.get(name)!;
  const bytes = await file.read(name);
  const { buffer, byteOffset } = bytes;
  if (dtype === 'F16') await target.copyFrom(FlatBuffer.from(widenHalf(bytes)));
  else if (dtype === 'F32') await target.copyFrom(FlatBuffer.from(new Float32Array(buffer, byteOffset, target.length)));
  else await target.copyFrom(FlatBuffer.from(new Uint16Array(buffer, byteOffset, target.length)));
}

async function checkTiedHead(
  folder: string,
  file: SafetensorsFile,
  layout: ParameterLayout,
  values: FlatBuffer<WeightDType>,
): Promise<void> {
  const place = layout.get(embedding)!;
  const { shape, dtype } = file.tensors.get(head)!;
  if (sameShape(shape, place) && readable.has(dtype)) {
    const found = FlatBuffer.alloc(elementCount(shape), { dtype: values.dtype });
    await readTensor(file, head, found);
    const expected = await hostCopy(viewOf(values, place));
    if (found.array.every((value, i) => Object.is(value, expected[i]))) return;
  }
  throw badCheckpoint(folder, [
    `${head} differs from ${embedding}, though config.json ties them (tie_word_embeddings)`,
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

function badCheckpoint(folder: string, problems: string[]): SoulError {
  const shown = problems.slice(0, 8).join('; ');
  const rest = problems.length > 8 ? `; and ${problems.length - 8} more` : '';
  return new SoulError('SOUL_BAD_FILE', `the weights in ${folder} don't fit the model: ${shown}${rest}`, { problems });
}

function sameShape(shape: readonly number[], place: ParameterPlace): boolean {
  return shape.length === place.shape.length && shape.every((extent, i) => extent === place.shape[i]);
}
