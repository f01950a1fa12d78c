/**
 * The lab that a run gives to its algorithm.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import { labelSpansOf } from '../model/token-batch.ts';
import { Lab, type LabOptions } from '../unlearn/lab.ts';
import type { DataSets } from '../unlearn/source.ts';
import type { RunSets } from './data-sets.ts';
import { answerLengths, mostGenerated } from './generate-alternatives.ts';
import { createOptimizer } from './optimizer-choice.ts';
import type { RunnableModel } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

/**
 * The sequences of what was read. Where the model has yet to make other answers, those that are there, made as long as answers may
 * become, stand for them, to be checked and planned with.
 */
export function dataSetsOf(
  sets: RunSets,
  settings: Pick<CompleteRunSettings, 'generateAlternatives' | 'maximumLength'>,
): DataSets {
  const standIns = settings.generateAlternatives === undefined ? undefined : longAnswers(sets, settings);
  return {
    target: sets.target.encoded,
    refusals: sets.refusals,
    ...withoutUndefined({
      retain: sets.retain?.encoded,
      alternatives: sets.alternatives?.sequences ?? standIns,
      groups: sets.groups,
    }),
  };
}

function longAnswers({ target }: RunSets, { maximumLength }: Pick<CompleteRunSettings, 'maximumLength'>) {
  const most = mostGenerated(answerLengths(target.encoded));
  return target.encoded.map((sequence) => {
    const { tokens } = sequence;
    const [answerFrom] = labelSpansOf(sequence).at(-1)!;
    const length = Math.max(tokens.length, Math.min(answerFrom + most, maximumLength));
    const more = new Array<number>(length - tokens.length).fill(tokens.at(-1)!);
    return [{ tokens: [...tokens, ...more], labelsFrom: answerFrom }];
  });
}

/** A lab as the settings of a run want it. */
export function labOf(
  model: RunnableModel,
  sets: DataSets,
  settings: CompleteRunSettings,
  parts: Pick<LabOptions, 'frozen' | 'signal' | 'journal'>,
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
    ...parts,
  });
}
