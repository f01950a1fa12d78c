/**
 * The memory of a run whose data are read, before its model is loaded.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { gibibytes } from '../core/out-of-memory.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { ModelFacts } from '../unlearn/algorithm.ts';
import type { DataSets } from '../unlearn/source.ts';
import { inAlgorithmFile } from './algorithm-file.ts';
import { type MemoryPlan, memoryFor, passesOf, planMemory } from './memory-plan.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import type { AdapterChoice, ModelLoader } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';
import { isMasked, trainableNames } from './trainable.ts';

/**
 * Refuses a model that the algorithm could not run on.
 *
 * @throws SoulError of the algorithm
 */
export function checkModel({ algorithm, settings }: ChosenAlgorithm, model: ModelFacts, algorithmFile?: string): void {
  inAlgorithmFile(algorithmFile, () => algorithm.checkModel?.(model, settings as never));
}

/**
 * Undefined where the loader cannot say what its models take.
 *
 * @throws SoulError as {@link checkModel}; of adapters, whose layout is known, as {@link trainableNames}
 */
export async function planRun(
  settings: CompleteRunSettings,
  chosen: ChosenAlgorithm,
  sets: DataSets,
  { memory }: ModelLoader,
  adapters: AdapterChoice = {},
): Promise<MemoryPlan | undefined> {
  if (memory === undefined) return undefined;
  const model = await memory(settings.model, passesOf(sequencesOf(sets), settings, chosen), adapters);
  checkModel(chosen, model, settings.algorithmFile);
  if (model.adapters) trainableNames(model.adapters.layout, settings, model.adapters.isFresh);
  return planMemory({
    ...model,
    optimizer: settings.optimizer,
    precision: settings.optimizerSettings.precision,
    chosen,
    masked: isMasked(settings),
  });
}

/** All that a descent may meet. */
export function sequencesOf({ target, retain = [], alternatives = [] }: DataSets): TokenSequence[] {
  return [...target, ...retain, ...alternatives.flat()];
}

const lessMemory =
  'fewer tokens at a time (--batch-tokens, --micro-batch-size), --checkpoint-activations, --dtype bf16 and --states bf16 take less; `soul plan` says how much';

/** The same error; where memory ran out, with what takes less of it. */
export function withMemoryAdvice(error: unknown): unknown {
  if (!(error instanceof SoulError) || error.code !== 'SOUL_OUT_OF_MEMORY') return error;
  return new SoulError(error.code, `${error.message}; ${lessMemory}`, { ...error.details }, { cause: error });
}

/** What to do about a run for which there is not enough memory; undefined where there is, as far as is known. */
export function memoryNote(plan: MemoryPlan): string | undefined {
  const { device, total } = plan;
  const there = memoryFor(plan);
  if (there === undefined || total <= there) return undefined;
  return (
    `the run needs about ${gibibytes(total)} of memory${device === 'cpu' ? '' : ` of ${device}`}, and there are ${gibibytes(there)}; ` +
    lessMemory
  );
}
