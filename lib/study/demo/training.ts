/**
 * The models that the demo begins with.
 *
 * @module
 */

import { join } from 'node:path';
import type { Cancellable } from '../../core/cancellation.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { thenRelease } from '../../core/release.ts';
import type { EncodedExample } from '../../data/encode.ts';
import { completeOptimizerSettings, createOptimizer } from '../../run/optimizer-choice.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import type { StepEvent } from '../../unlearn/events.ts';
import { method } from '../../unlearn/registry.ts';
import { train } from '../../unlearn/train.ts';
import type { DemoOptions } from './options.ts';
import { measured, type Outcome } from './outcome.ts';
import type { World } from './world.ts';

const training = { epochs: 40, batchSize: 16, learningRate: 2e-3 };

/** What a training is told, and whom it tells. */
export interface LearningOptions extends Cancellable {
  readonly seed: bigint;
  readonly onStep?: (event: StepEvent) => void;
}

/** Trains a model with random weights on a set, and saves it under its name. */
export async function trainFromScratch(
  options: DemoOptions,
  world: World,
  name: 'original' | 'retrained',
  target: EncodedExample[],
): Promise<Outcome> {
  const { seed = 0n, signal } = options;
  const model = await options.createModel(world.config, seed, withoutUndefined({ signal }));
  try {
    const outcome = await measured(options, world, model, name, (onStep) =>
      learn(model, target, { seed, onStep, ...withoutUndefined({ signal }) }),
    );
    const folder = join(options.folder, name);
    await model.save(folder, { tokenizer: world.tokenizer });
    return outcome;
  } finally {
    model.release();
  }
}

/** Trains a model with random weights on a set, in place. */
export async function learn(model: RunnableModel, target: EncodedExample[], options: LearningOptions): Promise<void> {
  const settings = completeOptimizerSettings('adamw', { learningRate: training.learningRate });
  const optimizer = createOptimizer('adamw', model.parameters, settings);
  const { epochs, batchSize } = training;
  const work = () =>
    train({
      model,
      optimizer,
      method: method('finetune'),
      target,
      epochs,
      batchSize,
      schedule: { shape: 'cosine', warmup: 0.05 },
      ...options,
    });
  await thenRelease(work, () => [optimizer]);
}
