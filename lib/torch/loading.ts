/**
 * Models from folders and from random numbers, with adapters and without.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { adapterConfig, adapterSeed } from '../model/adapter/adapter-config.ts';
import { isAdapterFolder, modelFolders, readAdapterConfig } from '../model/adapter/adapter-folder.ts';
import { adapterLayout } from '../model/adapter/adapter-layout.ts';
import { openAdapterWeights } from '../model/adapter/adapter-weights.ts';
import { fillFreshAdapters } from '../model/adapter/fresh-adapters.ts';
import { adapterConfigFile } from '../model/adapter/peft-config.ts';
import { unlearningLayersFile } from '../model/adapter/unlearning-layers-file.ts';
import { openCheckpoint, type WeightDType } from '../model/checkpoint.ts';
import { parseModelConfig, readModelConfig } from '../model/config.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { fillRandomWeights } from '../model/random-weights.ts';
import { tokenizerFilesOf } from '../model/tokenizer-files.ts';
import type { CheckedOptions } from './load-options.ts';
import { fillFrozen, fillMemory, type ModelMemory, orRelease, type Source } from './model-memory.ts';

/** Fills the weights of a whole model, of which all is known that can be before memory is taken. */
type Fill = (values: FlatBuffer<WeightDType>) => Promise<void>;

/** A folder of a whole model, or of adapters with their base. */
export async function loadFolder<Kind extends WeightDType>(
  folder: string,
  options: CheckedOptions<Kind>,
): Promise<ModelMemory<Kind>> {
  if (await isAdapterFolder(folder)) return loadAdapters(folder, options);
  if (options.base !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `base is given, but ${folder} is a whole model; leave base out`, {
      argument: 'base',
      folder,
    });
  }
  for (const name of [adapterConfigFile, unlearningLayersFile]) {
    if (!(await exists(join(folder, name)))) continue;
    options.onNote?.(
      `${folder}: its adapters (${name}) are not read, since a whole model lies beside them; give them a folder of their own`,
    );
  }
  const config = await readModelConfig(folder);
  const source = await sourceOf(folder);
  return withCheckpoint(folder, config, options, (fill) => assemble(config, source, options, fill));
}

/** A model with random weights. */
export async function createRandom<Kind extends WeightDType>(
  source: object,
  seed: bigint,
  options: CheckedOptions<Kind>,
): Promise<ModelMemory<Kind>> {
  const { base } = options;
  if (base !== undefined) throw invalidArgument('base', 'left out where a model is made from random numbers', base);
  const config = parseModelConfig(source);
  return assemble(config, {}, options, (values) => fillRandomWeights(values, config, seed, options));
}

/** The whole model, or, where the options say so, fresh adapters on it. */
async function assemble<Kind extends WeightDType>(
  config: DecoderConfig,
  source: Source,
  options: CheckedOptions<Kind>,
  fill: Fill,
): Promise<ModelMemory<Kind>> {
  const { adapter: wanted } = options;
  if (wanted === undefined) return fillMemory({ config, options, source }, fill);
  const adapter = adapterConfig(wanted, config);
  const seed = adapterSeed(wanted);
  const layout = adapterLayout(config, adapter);
  const base = await fillFrozen(config, options, fill);
  return orRelease([base.values], () =>
    fillMemory({ config, options, source, frozen: { adapter, base } }, (values) =>
      fillFreshAdapters(adapter.kind, values, layout, seed, options),
    ),
  );
}

async function loadAdapters<Kind extends WeightDType>(
  folder: string,
  options: CheckedOptions<Kind>,
): Promise<ModelMemory<Kind>> {
  if (options.adapter !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `fresh adapters are asked for, but ${folder} holds adapters already; leave adapter out to go on with them, or merge them first`,
      { argument: 'adapter', folder },
    );
  }
  const stored = await readAdapterConfig(folder);
  const { model: baseFolder, tokenizer } = await modelFolders(folder, options.base);
  const config = await readModelConfig(baseFolder);
  const adapter = stored.on(config);
  const source = { ...(await sourceOf(baseFolder)), ...(tokenizer === folder ? { tokenizer } : {}) };
  const weights = await openAdapterWeights(folder, adapterLayout(config, adapter), stored.weights);
  try {
    return await withCheckpoint(baseFolder, config, options, async (fill) => {
      const base = await fillFrozen(config, options, fill);
      return orRelease([base.values], () =>
        fillMemory({ config, options, source, frozen: { adapter, base } }, (values) =>
          weights.readInto(values, options),
        ),
      );
    });
  } finally {
    await weights.close();
  }
}

async function withCheckpoint<Kind extends WeightDType, Result>(
  folder: string,
  config: DecoderConfig,
  options: CheckedOptions<Kind>,
  work: (fill: Fill) => Promise<Result>,
): Promise<Result> {
  const checkpoint = await openCheckpoint(folder, config);
  try {
    return await work((values) => checkpoint.readInto(values, options));
  } finally {
    await checkpoint.close();
  }
}

async function sourceOf(folder: string): Promise<Source> {
  const generationConfig = await readFile(join(folder, 'generation_config.json'), 'utf8').catch(() => undefined);
  const tokenizer = (await tokenizerFilesOf(folder)).length > 0 ? folder : undefined;
  return { folder, ...withoutUndefined({ tokenizer, generationConfig }) };
}
