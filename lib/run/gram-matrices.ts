/**
 * What a deletion by unlearning layers leaves for its fusion with others: the Gram matrices of what enters them.
 *
 * @module
 */

import { join } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import { isAdapterFolder } from '../model/adapter/adapter-folder.ts';
import { plannedModel } from '../model/adapter/planned-model.ts';
import { unlearningLayersLayout } from '../model/adapter/unlearning-layers.ts';
import { gramFileName, unlearningLayersFile } from '../model/adapter/unlearning-layers-file.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import { captureGrams } from '../unlearn/fusion/capture.ts';
import { type Gram, sumGrams, triangleLength } from '../unlearn/fusion/gram.ts';
import { writeGrams } from '../unlearn/fusion/gram-file.ts';
import { readLayerGrams } from '../unlearn/fusion/layer-grams.ts';
import type { RunSets } from './data-sets.ts';
import { isDeletion } from './deletion.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { begin, type Told } from './run-figures.ts';
import type { RunnableModel } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

type Settings = Pick<CompleteRunSettings, 'model' | 'base' | 'microBatchSize' | 'batchTokens'>;

/**
 * Those that lie beside the unlearning layers that a run goes on with; undefined where it does not, or where there are none.
 *
 * @throws SoulError of {@link readLayerGrams}
 */
export async function earlierGrams({
  model,
  base,
}: Pick<Settings, 'model' | 'base'>): Promise<ReadonlyMap<string, Gram> | undefined> {
  if (!(await exists(join(model, gramFileName)))) return undefined;
  const { config, adapter } = await plannedModel(model, withoutUndefined({ base }));
  return adapter?.kind === 'unlearning-layers'
    ? readLayerGrams(model, unlearningLayersLayout(config, adapter))
    : undefined;
}

/**
 * What to tell of a run that goes on with unlearning layers, beside which no matrices lie: its own stand for the new forget set alone, so
 * that a fusion would not know what the layers came with. Undefined where they lie there, or where there is no such run.
 */
export async function missingGramsNote({ model }: Pick<Settings, 'model'>): Promise<string | undefined> {
  const holdsLayers = (await isAdapterFolder(model)) && (await exists(join(model, unlearningLayersFile)));
  if (!holdsLayers || (await exists(join(model, gramFileName)))) return undefined;
  return (
    `${model} has no ${gramFileName}: those that this run leaves are of its own forget set alone, so that a fusion will not hold on to ` +
    'what these layers were trained for before'
  );
}

/** Bytes of the matrices that a run leaves beside a model of this layout; 0 of one that leaves none. */
export function gramBytes(
  adapter: AdapterConfig | undefined,
  layout: ParameterLayout,
  chosen: Pick<ChosenAlgorithm, 'algorithm'>,
): number {
  if (adapter?.kind !== 'unlearning-layers' || !isDeletion(chosen)) return 0;
  const matrices = [...layout].filter(([, { group }]) => group === 'matrix');
  return matrices.reduce((sum, [, { shape }]) => sum + 8 * triangleLength(shape[1]! + 1), 0);
}

/**
 * Writes the matrices of the forget set, and of those before it that the run went on from, into the folder of the layers. Nothing for a
 * model without unlearning layers.
 *
 * @param hadEarlier whether there were matrices at the run's beginning, without which its own would pass for those of all that the layers
 *   were trained for
 * @throws SoulError SOUL_CANCELLED; SOUL_NON_FINITE; SOUL_NOT_FOUND where the earlier ones are gone; of the model, and of files
 */
export async function writeGramMatrices(
  folder: string,
  model: RunnableModel,
  { target }: Pick<RunSets, 'target'>,
  settings: Settings,
  hadEarlier: boolean,
  told: Told,
): Promise<void> {
  const { adapter, vocabularySize } = model;
  if (adapter?.kind !== 'unlearning-layers' || model.bottleneckInputs === undefined) return;
  const what = 'summing what enters the layers';
  try {
    begin(what, told);
    const own = await captureGrams(
      { vocabularySize, bottleneckInputs: (batch, options) => model.bottleneckInputs!(batch, options) },
      target.encoded,
      {
        microBatchSize: settings.microBatchSize,
        ...withoutUndefined({ batchTokens: settings.batchTokens, signal: told.signal }),
        onProgress: (done, total) => told.onEvent?.({ kind: 'progress', what, done, total }),
      },
    );
    const earlier = hadEarlier ? await earlierGrams(settings) : undefined;
    if (hadEarlier && earlier === undefined) {
      const path = join(settings.model, gramFileName);
      throw new SoulError('SOUL_NOT_FOUND', `${path}, which was there when the run began, is gone`, { path });
    }
    await writeGrams(join(folder, gramFileName), earlier ? sumGrams([earlier, own]) : own);
  } catch (error) {
    const known = asSoulError(error);
    if (!(known instanceof SoulError)) throw known;
    const message = `${known.message}; without ${gramFileName} the layers cannot be fused with others`;
    throw new SoulError(known.code, message, known.details, { cause: error });
  }
}
