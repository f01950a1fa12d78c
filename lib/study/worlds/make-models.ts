/**
 * The models that a pair begins with, where the study makes them.
 *
 * @module
 */

import { join } from 'node:path';
import type { Cancellable } from '../../core/cancellation.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { thenRelease } from '../../core/release.ts';
import type { EncodedExample } from '../../data/encode.ts';
import { completeOptimizerSettings, createOptimizer } from '../../run/optimizer-choice.ts';
import { chooseAlgorithm, defaultEpochs, defaultLearningRate } from '../../run/run-defaults.ts';
import { runSettings } from '../../run/run-settings.ts';
import type { ModelLoader, RunnableModel } from '../../run/runnable-model.ts';
import { train } from '../../unlearn/train.ts';
import type { Study, StudyTraining } from '../definition/study.ts';
import { learn } from '../demo/training.ts';
import { readWorld } from '../demo/world.ts';
import type { StudyListener } from './events.ts';
import { prepareFolder } from './prepared-folder.ts';
import type { StudySets } from './read-sets.ts';
import { digestOf } from './world.ts';

/** Makes a model with random weights. */
export type ModelMaker = (config: object, seed: bigint, options?: Cancellable) => Promise<RunnableModel>;

/** What makes and tells. */
export interface MakingOptions extends Cancellable {
  readonly loadModel: ModelLoader;
  readonly createModel: ModelMaker;
  readonly onEvent?: StudyListener;
}

/** Folders of the two models. */
export interface MadeModels {
  readonly original: string;
  readonly retrained: string;
}

const names = ['original', 'retrained'] as const;

/** The settings of a fine-tuning with every default filled in, but for the learning rate, which depends on the model's size. */
export function completeTraining(given: StudyTraining | undefined): StudyTraining {
  const finetune = chooseAlgorithm('finetune');
  return given ?? { epochs: defaultEpochs(finetune.algorithm, 1), batchSize: runSettings.batchSize.fallback };
}

/**
 * The demo's models, trained from random weights; the demo's own are the same where its threads are.
 *
 * @param world the folder of its data
 * @param from digest of what its data were made from
 */
export async function makeDemoModels(
  folder: string,
  world: string,
  from: string,
  seed: bigint,
  { createModel, signal, onEvent }: MakingOptions,
): Promise<MadeModels> {
  const { config, tokenizer, retain, forget } = await readWorld(world);
  const targets = { original: [...retain, ...forget], retrained: retain };
  return makeBoth(folder, from, async (name, place) => {
    onEvent?.({ kind: 'phase', phase: `training the demo's ${name} model` });
    const model = await createModel(config, seed, withoutUndefined({ signal }));
    await thenRelease(
      async () => {
        await learn(model, targets[name], {
          seed,
          onStep: (step) => onEvent?.({ kind: 'step', step }),
          ...withoutUndefined({ signal }),
        });
        await model.save(place, { tokenizer });
      },
      () => [model],
    );
  });
}

/**
 * A base fine-tuned on both sets, and on the retain set alone, as `soul train` would.
 *
 * @param from digest of base, data and dtype
 */
export async function fineTuneBase(
  folder: string,
  base: string,
  from: string,
  study: Study,
  given: StudyTraining | undefined,
  sets: StudySets,
  options: MakingOptions,
): Promise<MadeModels> {
  const training = completeTraining(given);
  const { target, retain } = sets.run;
  const targets = { original: [...retain.encoded, ...target.encoded], retrained: retain.encoded };
  return makeBoth(folder, digestOf({ from, training, seed: study.seed }), async (name, place) => {
    options.onEvent?.({
      kind: 'phase',
      phase: name === 'original' ? 'fine-tuning on both sets' : 'fine-tuning on the retain set alone',
    });
    const model = await options.loadModel(base, withoutUndefined({ signal: options.signal }));
    await thenRelease(
      async () => {
        sets.run.checkTokens(model.vocabularySize);
        await fineTune(model, targets[name], training, study, options);
        await model.save(place, { tokenizer: sets.tokenizer });
      },
      () => [model],
    );
  });
}

async function fineTune(
  model: RunnableModel,
  target: readonly EncodedExample[],
  { epochs, batchSize, learningRate }: StudyTraining,
  study: Study,
  { signal, onEvent }: MakingOptions,
): Promise<void> {
  const { method, learningRates } = chooseAlgorithm('finetune');
  const weights = model.parameters.layout.parameterCount;
  const rate = learningRate ?? defaultLearningRate('adamw', withoutUndefined({ learningRates }), weights);
  const settings = completeOptimizerSettings('adamw', { learningRate: rate });
  const optimizer = createOptimizer('adamw', model.parameters, settings, { seed: study.seed });
  const { microBatchSize } = study.training;
  await thenRelease(
    async () => {
      await train({
        ...{ model, optimizer, method: method!, target, epochs, batchSize, seed: study.seed },
        schedule: { shape: runSettings.schedule.fallback, warmup: runSettings.warmup.fallback },
        onStep: (step) => onEvent?.({ kind: 'step', step }),
        ...withoutUndefined({ signal, microBatchSize }),
      });
    },
    () => [optimizer],
  );
}

async function makeBoth(
  folder: string,
  from: string,
  make: (name: (typeof names)[number], place: string) => Promise<void>,
): Promise<MadeModels> {
  for (const name of names) {
    await prepareFolder(join(folder, name), digestOf({ from, name }), (place) => make(name, place));
  }
  return { original: join(folder, 'original'), retrained: join(folder, 'retrained') };
}
