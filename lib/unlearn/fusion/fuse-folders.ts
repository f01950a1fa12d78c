/**
 * Folders of unlearning layers, fused to one.
 *
 * @module
 */

import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { allocateFloats } from '../../core/allocate.ts';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { modelFolders, requireAdapterRoom, writeAdapterFolder } from '../../model/adapter/adapter-folder.ts';
import { openAdapterWeights } from '../../model/adapter/adapter-weights.ts';
import { type UnlearningLayersConfig, unlearningLayersLayout } from '../../model/adapter/unlearning-layers.ts';
import {
  gramFileName,
  readUnlearningLayers,
  unlearningLayersFile,
  unlearningWeightsFile,
} from '../../model/adapter/unlearning-layers-file.ts';
import { readModelConfig } from '../../model/config.ts';
import type { DecoderConfig } from '../../model/decoder-config.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import { fuseUnlearningLayers, type LayersFusionOptions, type LayersPart } from './fuse-layers.ts';
import { checkNumbers, sumGrams } from './gram.ts';
import { writeGrams } from './gram-file.ts';
import { readLayerGrams } from './layer-grams.ts';

export interface FolderFusionOptions extends LayersFusionOptions {
  /** The folder of the model that all belong to; default what they name, which must be one. */
  base?: string;
  /** Replaces unlearning layers that are there. Default false. */
  overwrite?: boolean;
}

/** What was written. */
export interface FusedFolder {
  readonly config: UnlearningLayersConfig;
  readonly base: string;
  readonly layers: number;
}

/**
 * Fuses the unlearning layers of folders, each with the Gram matrices of its own data set beside it, and writes a folder of the same form.
 * Its matrices are the sums of theirs, so that it can be fused again: what comes of it is what all at once would have come to, but for the
 * ridge, which counts the fused layers as one.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT where they do not fit together; SOUL_NOT_FOUND, SOUL_BAD_FILE; SOUL_EXISTS for an `out` that holds
 *   something else, or unlearning layers without `overwrite`; SOUL_CANCELLED. Nothing is written then.
 */
export async function fuseFolders(
  folders: readonly string[],
  out: string,
  options: FolderFusionOptions = {},
): Promise<FusedFolder> {
  checkNames('options', options, ['base', 'overwrite', 'ridge', 'signal', 'onProgress']);
  const { base: given, overwrite = false, ridge, signal, onProgress } = options;
  if (!Array.isArray(folders) || folders.length < 2) {
    throw invalidArgument('folders', 'at least two folders of unlearning layers', folders?.length);
  }
  if (typeof out !== 'string' || out === '') throw invalidArgument('out', 'a path', out);
  await requireApart(folders, out);
  const config = await commonConfig(folders);
  await requireAdapterRoom(out, config, overwrite);
  const base = await commonBase(folders, given);
  const model = await readModelConfig(base);
  const layout = unlearningLayersLayout(model, config);
  const parts: LayersPart[] = [];
  for (const folder of folders) {
    parts.push({ values: await valuesOf(folder, layout), grams: await readLayerGrams(folder, layout) });
  }
  const fused = await fuseUnlearningLayers(layout, parts, withoutUndefined({ ridge, signal, onProgress }));
  await write(out, model, config, fused, parts, { base, overwrite });
  return { config, base, layers: model.layers };
}

/** Each folder counts once, and none is written over, by whatever path it is named. */
async function requireApart(folders: readonly string[], out: string): Promise<void> {
  const [place, ...real] = await Promise.all([out, ...folders].map(realFolder));
  if (real.includes(place!)) throw invalidArgument('out', 'another folder than those that are fused', out);
  const twice = real.findIndex((each, i) => real.indexOf(each) < i);
  if (twice < 0) return;
  throw invalidArgument('folders', 'each folder once', folders[twice]);
}

/** Without links, where it is there. */
function realFolder(folder: string): Promise<string> {
  return realpath(folder).catch(() => resolve(folder));
}

async function write(
  out: string,
  model: DecoderConfig,
  config: UnlearningLayersConfig,
  fused: Float32Array,
  parts: readonly LayersPart[],
  { base, overwrite }: { base: string; overwrite: boolean },
): Promise<void> {
  await writeAdapterFolder(out, model, config, FlatBuffer.from(fused), { base: resolve(base), overwrite });
  await writeGrams(join(out, gramFileName), sumGrams(parts.map(({ grams }) => grams)));
}

/** What all of them are. */
async function commonConfig(folders: readonly string[]): Promise<UnlearningLayersConfig> {
  const configs = await Promise.all(
    folders.map(async (folder) => {
      if (await exists(join(folder, unlearningLayersFile))) return (await readUnlearningLayers(folder)).config;
      throw new SoulError(
        'SOUL_NOT_FOUND',
        `${folder} has no ${unlearningLayersFile}: give folders of unlearning layers, which alone are fused`,
        { folder },
      );
    }),
  );
  const [first] = configs as [UnlearningLayersConfig];
  for (const [i, { bottleneck, activation }] of configs.entries()) {
    if (bottleneck === first.bottleneck && activation === first.activation) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${folders[i]} has a bottleneck of ${bottleneck} with ${activation}, but ${folders[0]} of ${first.bottleneck} with ` +
        `${first.activation}; only layers of one form are fused`,
      { folder: folders[i] },
    );
  }
  return first;
}

/** The folder of the model that all of them belong to. */
async function commonBase(folders: readonly string[], given: string | undefined): Promise<string> {
  const bases = await Promise.all(folders.map(async (folder) => (await modelFolders(folder, given)).model));
  const real = await Promise.all(bases.map(realFolder));
  const other = real.findIndex((base) => base !== real[0]);
  if (other < 0) return bases[0]!;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${folders[other]} belongs to the model ${bases[other]}, but ${folders[0]} to ${bases[0]}; layers of one model are fused: give its ` +
      'folder as base where these are copies of it',
    { folder: folders[other] },
  );
}

async function valuesOf(folder: string, layout: ParameterLayout): Promise<Float32Array> {
  const file = await openAdapterWeights(folder, layout, unlearningWeightsFile);
  try {
    const values = allocateFloats(layout.length);
    await file.readInto(FlatBuffer.from(values));
    checkNumbers(`the weights in ${join(folder, unlearningWeightsFile)}`, values);
    return values;
  } finally {
    await file.close();
  }
}
