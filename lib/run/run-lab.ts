/**
 * The lab that a run gives to its algorithm.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { Lab } from '../unlearn/lab.ts';
import type { DataSets } from '../unlearn/source.ts';
import type { RunSets } from './data-sets.ts';
import { createOptimizer } from './optimizer-choice.ts';
import type { RunnableModel } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

/** The sequences of what was read. */
export function dataSetsOf(sets: RunSets): DataSets {
  return {
    target: sets.target.encoded,
    refusals: sets.refusals,
    ...withoutUndefined({
      retain: sets.retain?.encoded,
      alternatives: sets.alternatives?.sequences,
      groups: sets.groups,
    }),
  };
}

/** A lab as the settings of a run want it. */
export function labOf(
  model: RunnableModel,
  sets: DataSets,
  settings: CompleteRunSettings,
  frozen: FlatBuffer<'u8'> | undefined,
  signal: AbortSignal | undefined,
  referenceModel: () => Promise<RunnableModel>,
): Lab {
  const { optimizer: name, optimizerSettings, schedule: shape, warmup, seed } = settings;
  return new Lab({
    model,
    sets,
    optimizer: (options) => createOptimizer(name, model.parameters, optimizerSettings, { ...options, seed }),
    referenceModel,
    descent: {
      ...withoutUndefined({
        epochs: settings.epochs,
        steps: settings.steps,
        curvature: settings.curvature,
        hessianData: settings.hessianData,
        batchTokens: settings.batchTokens,
      }),
      batchSize: settings.batchSize,
      microBatchSize: settings.microBatchSize,
      pairing: settings.pairing,
      schedule: { shape, warmup },
    },
    seed,
    ...withoutUndefined({ frozen, signal }),
  });
}
