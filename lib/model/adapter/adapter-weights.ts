/**
 * The weights of adapters, from their files.
 *
 * @module
 */

import { join } from 'node:path';
import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError, shortName } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { openSafetensors, type SafetensorsFile } from '../../core/safetensors.ts';
import type { ParameterLayout } from '../parameter-layout.ts';
import {
  checkElementTypes,
  enumerate,
  readTensor,
  type StoredTensor,
  shapeProblems,
  tensorsOf,
  viewOf,
  type WeightDType,
} from '../stored-tensor.ts';
import { unlearningLayersFile } from './unlearning-layers-file.ts';

export const adapterWeightsFile = 'adapter_model.safetensors';

/** The weights of an adapter's folder, of which names, shapes and element types are known to fit. */
export interface AdapterWeights {
  /** @throws SoulError SOUL_BAD_FILE, SOUL_CANCELLED */
  readInto(values: FlatBuffer<WeightDType>, options?: Cancellable): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file of adapters in `folder` and checks by its header that its tensors are the layout's.
 *
 * @throws SoulError SOUL_NOT_FOUND; SOUL_BAD_FILE (a tensor missing, extra, of another shape, a damaged file; all are named);
 *   SOUL_UNSUPPORTED (an element type)
 */
export async function openAdapterWeights(
  folder: string,
  layout: ParameterLayout,
  name = adapterWeightsFile,
): Promise<AdapterWeights> {
  const path = join(folder, name);
  if (!(await exists(path))) {
    const pickled = name === adapterWeightsFile && (await exists(join(folder, 'adapter_model.bin')));
    const why = pickled
      ? 'adapter_model.bin is not read: save the adapter again with a newer peft, which writes safetensors'
      : 'the folder lacks the weights of its adapters';
    throw new SoulError('SOUL_NOT_FOUND', `${path} does not exist: ${why}`, { path });
  }
  const file = await openSafetensors(path);
  try {
    const tensors = findAdapters(folder, layout, file, wordsOf(name));
    return {
      async readInto(values, { signal } = {}) {
        for (const [name, place] of layout) {
          throwIfCancelled(signal, `loading ${folder} was cancelled`, { folder, next: name });
          await readTensor(tensors.get(name)!, viewOf(values, place));
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** How errors tell of a file. */
function wordsOf(name: string) {
  return name === adapterWeightsFile
    ? { config: 'adapter_config.json', size: 'rank', extra: 'no adapter of a layer in target_modules' }
    : { config: unlearningLayersFile, size: 'bottleneck', extra: "no weight of the model's unlearning layers" };
}

function findAdapters(
  folder: string,
  layout: ParameterLayout,
  file: SafetensorsFile,
  { config, size, extra }: ReturnType<typeof wordsOf>,
): ReadonlyMap<string, StoredTensor> {
  const stored = tensorsOf(file);
  checkElementTypes(folder, stored);
  const tensors = new Map(stored.map((tensor) => [tensor.name, tensor]));
  const problems: string[] = [];
  for (const [name, place] of layout) {
    const tensor = tensors.get(name);
    if (tensor) problems.push(...shapeProblems(tensor, place, `the base, with the ${size} in ${config},`));
    else problems.push(`${name} is missing`);
  }
  for (const { name } of stored) {
    if (layout.get(name) === undefined) problems.push(`${shortName(name)} is ${extra}`);
  }
  if (problems.length === 0) return tensors;
  throw new SoulError(
    'SOUL_BAD_FILE',
    `the adapters in ${folder} don't fit: ${enumerate(problems, '; ')}; the base must be the model that they were made for, and ` +
      `${config} the one that belongs to them`,
    { problems },
  );
}
