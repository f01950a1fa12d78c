/**
 * The memory of a run whose data are read, before its model is loaded.
 *
 * @module
 */

import type { TokenSequence } from '../model/token-batch.ts';
import type { DataSets } from '../unlearn/source.ts';
import { largestBatch, type MemoryPlan, memoryFor, planMemory } from './memory-plan.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import type { ModelLoader } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

/** Undefined where the loader cannot say what its models take. */
export async function planRun(
  settings: CompleteRunSettings,
  chosen: ChosenAlgorithm,
  sets: DataSets,
  { memory }: ModelLoader,
): Promise<MemoryPlan | undefined> {
  if (memory === undefined) return undefined;
  const { microBatchSize: examples, batchTokens: tokens } = settings;
  const batch = largestBatch(sequencesOf(sets), { examples, tokens });
  const model = await memory(settings.model, batch);
  return planMemory({
    ...model,
    precision: settings.optimizerSettings.precision,
    chosen,
    masked: settings.trainable !== undefined,
  });
}

/** All that a descent may meet. */
export function sequencesOf({ target, retain = [], alternatives = [] }: DataSets): TokenSequence[] {
  return [...target, ...retain, ...alternatives.flat()];
}

/** What to do about a run for which there is not enough memory; undefined where there is, as far as is known. */
export function memoryNote(plan: MemoryPlan): string | undefined {
  const { device, total } = plan;
  const there = memoryFor(plan);
  if (there === undefined || total <= there) return undefined;
  const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return (
    `the run needs about ${gibibytes(total)} of memory${device === 'cpu' ? '' : ` of ${device}`}, and there are ${gibibytes(there)}; ` +
    'fewer tokens at a time (--batch-tokens), --checkpoint-activations or --dtype bf16 need less; `soul plan` says how much'
  );
}
