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
import { plannedModel } from '../model/adapter/planned-model.ts';
import { unlearningLayersLayout } from '../model/adapter/unlearning-layers.ts';
import { gramFileName } from '../model/adapter/unlearning-layers-file.ts';
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
 * @throws SoulError SOUL_CANCELLED; SOUL_NON_FINITE; of the model, and of files
 */
export async function writeGramMatrices(
  folder: string,
  model: RunnableModel,
  { target }: Pick<RunSets, 'target'>,
  settings: Settings,
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
    const earlier = await earlierGrams(settings);
    await writeGrams(join(folder, gramFileName), earlier ? sumGrams([earlier, own]) : own);
  } catch (error) {
    const known = asSoulError(error);
    if (!(known instanceof SoulError)) throw known;
    const message = `${known.message}; without ${gramFileName} the layers cannot be fused with others`;
    throw new SoulError(known.code, message, known.details, { cause: error });
  }
}
