/**
 * Which tensor of a checkpoint is which parameter.
 *
 * @module
 */

import { basename } from 'node:path';
import { SoulError, shortName } from '../core/errors.ts';
import type { SafetensorsFile } from '../core/safetensors.ts';
import { elementCount, shapeText } from '../core/shape.ts';
import { nameVariants, renamingNotes, unknownPrefix } from './checkpoint-prefixes.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderWeights, embeddingName, headName } from './decoder-weights.ts';
import type { ParameterLayout } from './parameter-layout.ts';
import { checkElementTypes, enumerate, type StoredTensor, shapeProblems, tensorsOf } from './stored-tensor.ts';

export interface FoundParameters {
  /** One for each parameter of the layout, of its shape and an element type that is read. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The output layer that a tied model carries beside its embedding, of the same shape; it must have the same values. */
  readonly tiedHead: StoredTensor | undefined;
  /** What in the files is unusual, and what was made of it. */
  readonly notes: readonly string[];
}

/** Buffers of the rotary embedding that old versions of transformers, and others, saved beside the weights. */
const computed = /(^|\.)rotary_emb\.(original_)?(inv_freq|_?cos_cached|_?sin_cached)$/;

/**
 * Finds the tensor of every parameter of a model.
 *
 * Names may hold those of wrappers, and may lack the body's prefix or have it twice, which transformers takes too; of a tied model
 * either of the two tied weights will do. What is no parameter and could be none (what is computed anyway, an empty marker, a counter) is
 * left alone, with a note. A further weight is an error, where transformers warns and goes on: config.json would describe another
 * model than the one that was trained.
 *
 * @param shardOf for files with an index, the file that it names for a tensor
 * @throws SoulError SOUL_UNSUPPORTED for the element type of a parameter; SOUL_BAD_FILE for all else that does not fit, of which
 *   `details.problems` has one sentence each
 */
export function findParameters(
  folder: string,
  config: DecoderConfig,
  files: readonly SafetensorsFile[],
  shardOf?: ReadonlyMap<string, string>,
): FoundParameters {
  const { layout } = decoderWeights(config);
  const [embedding, head] = [embeddingName(config), headName(config)];
  const tied = config.tiedEmbeddings;
  const { tensors, others, problems } = assign(config, layout, files);
  const body = [...layout].map(([name]) => name).filter((name) => name !== head);
  if (!body.some((name) => tensors.has(name))) {
    const stored = [...tensors.values(), ...others].map(({ name }) => name);
    const prefix = unknownPrefix(body, stored, config.names.prefix);
    if (prefix !== undefined) throw badCheckpoint(folder, [prefix]);
  }
  const notes = renamingNotes(Array.from(tensors, ([parameter, { name }]) => ({ parameter, stored: name })));

  const storedHead = tied ? tensors.get(head) : undefined;
  const tiedHead = tensors.has(embedding) ? storedHead : undefined;
  if (storedHead) tensors.delete(head);
  if (storedHead && !tiedHead) {
    tensors.set(embedding, storedHead);
    notes.push(
      `there is no ${embedding}; ${head} is read for it, since config.json ties the two (tie_word_embeddings)`,
    );
  }

  checkElementTypes(folder, [...tensors.values(), ...(tiedHead ? [tiedHead] : [])]);
  const unfit: string[] = [];
  for (const [name, place] of layout) {
    const tensor = tensors.get(name);
    if (tensor) unfit.push(...shapeProblems(tensor, place));
    else if (shardOf?.has(name)) {
      problems.push(`${name} is missing: by the index it is in ${shortName(shardOf.get(name)!)}; get that file again`);
    } else if ((name === head && tensors.has(embedding)) || (name === embedding && tensors.has(head))) {
      problems.push(`${name} is missing: ${untiedRemedy}`);
    } else unfit.push(`${name} is missing`);
  }
  if (tiedHead) unfit.push(...shapeProblems(tiedHead, layout.get(embedding)!));
  const isComputed = ({ name }: StoredTensor) => computed.test(name) || config.names.computed?.test(name) === true;
  const extra = others.filter((tensor) => !isComputed(tensor) && couldBeWeight(tensor));
  unfit.push(...extra.map(({ name }) => `${shortName(name)} is not part of this model`));
  if (problems.length + unfit.length > 0) {
    const remedy =
      unfit.length > 0 ? 'the files must be complete, and config.json the one that belongs to them' : undefined;
    throw badCheckpoint(folder, [...problems, ...unfit], remedy);
  }
  return {
    tensors,
    tiedHead,
    notes: [...notes, ...unreadNotes(others, isComputed)].map((note) => `${folder}: ${note}`),
  };
}

/** The error of weights that don't fit the model. */
export function badCheckpoint(folder: string, problems: readonly string[], remedy?: string): SoulError {
  const said = `the weights in ${folder} don't fit the model: ${enumerate(problems, '; ')}`;
  return new SoulError('SOUL_BAD_FILE', remedy === undefined ? said : `${said}; ${remedy}`, { problems });
}

/** Where an untied model lacks one of the two; transformers would draw it at random. */
const untiedRemedy =
  'if the output layer is the embedding, set tie_word_embeddings to true in config.json; if not, the files are incomplete';

/** The tensors by the parameters that they are, the output layer of a tied model with them, and those that are none. */
function assign(
  config: DecoderConfig,
  layout: ParameterLayout,
  files: readonly SafetensorsFile[],
): { tensors: Map<string, StoredTensor>; others: StoredTensor[]; problems: string[] } {
  const head = headName(config);
  const isParameter = (name: string) => layout.get(name) !== undefined || (config.tiedEmbeddings && name === head);
  const tensors = new Map<string, StoredTensor>();
  const others: StoredTensor[] = [];
  const problems: string[] = [];
  for (const tensor of files.flatMap(tensorsOf)) {
    const name = nameVariants(tensor.name, config.names.prefix).find(isParameter);
    const first = name === undefined ? undefined : tensors.get(name);
    if (name === undefined) others.push(tensor);
    else if (first === undefined) tensors.set(name, tensor);
    else problems.push(`${name} is there twice, ${placeOf(first)} and ${placeOf(tensor)}: take one of them out`);
  }
  return { tensors, others, problems };
}

/** Whether a tensor that is no parameter may be one of another model: floating-point numbers, or anything so named. */
function couldBeWeight({ name, dtype, shape }: StoredTensor): boolean {
  return elementCount(shape) > 0 && (/^B?F\d/.test(dtype) || /\.(weight|bias)$/.test(name));
}

function unreadNotes(others: readonly StoredTensor[], isComputed: (tensor: StoredTensor) => boolean): string[] {
  const buffers = others.filter(isComputed).map(({ name }) => shortName(name));
  const unknown = others.filter((tensor) => !isComputed(tensor));
  const shown = unknown.map(({ name, dtype, shape }) => `${shortName(name)} (${shortName(dtype)} ${shapeText(shape)})`);
  return [
    ...(buffers.length > 0 ? [`not read, since the model computes it: ${enumerate(buffers, ', ', 3)}`] : []),
    ...(shown.length > 0 ? [`not read, since it is no parameter: ${enumerate(shown, ', ', 3)}`] : []),
  ];
}

function placeOf({ file, name }: StoredTensor): string {
  return `as ${shortName(name)} in ${basename(file.path)}`;
}
