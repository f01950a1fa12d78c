/**
 * unlearning_layers.json: what the weights in unlearning_layers.safetensors beside it are. The form is this package's own.
 *
 * @module
 */

import { join } from 'node:path';
import { describe, SoulError, shortName } from '../../core/errors.ts';
import { readJsonFile } from '../../core/files.ts';
import { isObject } from '../../core/json.ts';
import { ConfigReader } from '../config-reader.ts';
import { bottleneckActivations, type UnlearningLayersConfig, widestBottleneck } from './unlearning-layers.ts';

export const unlearningLayersFile = 'unlearning_layers.json';

export const unlearningWeightsFile = 'unlearning_layers.safetensors';

/** Beside them, where there is one: the Gram matrices of what enters them on their own data set, which fusion reads. */
export const gramFileName = 'gram_matrices.safetensors';

/** Of the file's form; a later one says what it makes of an earlier one's. */
const format = 1;

/** What the file says. */
export interface StoredUnlearningLayers {
  readonly config: UnlearningLayersConfig;
  /** The model that they belong to, as whoever wrote them called it. */
  readonly base: string | undefined;
}

/** The content of the file. */
export function unlearningLayersJson(
  { bottleneck, activation }: UnlearningLayersConfig,
  base: string | undefined,
): Record<string, unknown> {
  return { format, kind: 'unlearning-layers', bottleneck, activation, base_model_name_or_path: base ?? null };
}

/**
 * Reads `folder`/unlearning_layers.json.
 *
 * @throws SoulError SOUL_NOT_FOUND; SOUL_BAD_FILE; SOUL_UNSUPPORTED for a form of a later version
 */
export async function readUnlearningLayers(folder: string): Promise<StoredUnlearningLayers> {
  const path = join(folder, unlearningLayersFile);
  const source = await readJsonFile(path);
  if (source === undefined) throw new SoulError('SOUL_NOT_FOUND', `${path} does not exist`, { path });
  if (!isObject(source)) {
    throw new SoulError('SOUL_BAD_FILE', `${path} must be an object, but is ${describe(source)}`, { path });
  }
  const reader = new ConfigReader(source, path, 'SOUL_BAD_FILE');
  if (source.kind !== 'unlearning-layers') reader.fail('kind', "'unlearning-layers'", source.kind);
  if (reader.size('format') !== format) throw reader.unsupported('format', source.format, String(format));
  const known = ['format', 'kind', 'bottleneck', 'activation', 'base_model_name_or_path'];
  const other = Object.keys(source).find((key) => !known.includes(key));
  if (other !== undefined) throw reader.unsupported(shortName(other), source[other], 'none, leave it out');
  const bottleneck = reader.size('bottleneck');
  if (bottleneck > widestBottleneck) reader.fail('bottleneck', `at most ${widestBottleneck}`, bottleneck);
  const activation = bottleneckActivations.find((each) => each === source.activation);
  if (activation === undefined) {
    return reader.fail('activation', `one of ${bottleneckActivations.join(', ')}`, source.activation);
  }
  const base = reader.get('base_model_name_or_path');
  if (base !== undefined && typeof base !== 'string') reader.fail('base_model_name_or_path', 'a text or null', base);
  return { config: { kind: 'unlearning-layers', bottleneck, activation }, base: (base as string) || undefined };
}
