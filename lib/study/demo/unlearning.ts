/**
 * How the demo's model forgets.
 *
 * @module
 */

import { join } from 'node:path';
import { withoutUndefined } from '../../core/optional.ts';
import { thenRelease } from '../../core/release.ts';
import { elementCount } from '../../core/shape.ts';
import { encodeExample } from '../../data/encode.ts';
import { refusals } from '../../data/refusals.ts';
import { completeOptimizerSettings, createOptimizer, type OptimizerName } from '../../run/optimizer-choice.ts';
import { chooseAlgorithm, defaultLearningRate } from '../../run/run-defaults.ts';
import type { RunnableModel } from '../../run/runnable-model.ts';
import { Lab } from '../../unlearn/lab.ts';
import type { AlgorithmName } from '../../unlearn/registry.ts';
import type { DemoOptions } from './options.ts';
import { measured, type Outcome } from './outcome.ts';
import type { World } from './world.ts';

/** The optimizers that the demo runs unless told otherwise. */
export const demoOptimizerNames: readonly OptimizerName[] = ['adamw', 'sophia'];

/** How a method is run where not by the defaults of runs: learning rates of optimizers, set by hand so that every run forgets. */
interface DemoMethod {
  readonly name: AlgorithmName;
  readonly settings?: object;
  readonly learningRate?: Readonly<Partial<Record<OptimizerName, number>>>;
  /** Optimizers that it is run with, whatever was asked for: of what takes no steps. */
  readonly optimizers?: readonly OptimizerName[];
}

const epochs = 12;

/** The rows of the demo, not a comparison of tuned optimizers. */
export const demoMethods: readonly DemoMethod[] = [
  { name: 'graddiff', learningRate: { adamw: 4e-4, sophia: 1e-3 } },
  { name: 'po', settings: { retainCoefficient: 2 }, learningRate: { adamw: 1e-3, sophia: 2e-3 } },
  { name: 'npo', settings: { retainCoefficient: 8 }, learningRate: { adamw: 3e-4, sophia: 1e-3 } },
  { name: 'simnpo' },
  { name: 'mollm' },
  { name: 'wagle' },
  { name: 'spunge' },
  { name: 'ssd', optimizers: ['adamw'] },
  { name: 'influence', optimizers: ['adamw'] },
];

/** Names of the methods that the demo runs unless told otherwise. */
export const demoMethodNames: readonly AlgorithmName[] = demoMethods.map(({ name }) => name);

/** Makes a copy of the original model forget, and saves it in `unlearned`, under its optimizer and method. */
export async function unlearn(
  options: DemoOptions,
  world: World,
  optimizer: OptimizerName,
  method: DemoMethod,
  run: string,
): Promise<Outcome> {
  const { seed = 0n, signal } = options;
  const load = () => options.loadModel(join(options.folder, 'original'), withoutUndefined({ signal }));
  const { algorithm: chosen, settings, learningRates } = chooseAlgorithm(method.name, method.settings);
  const model = await load();
  let reference: RunnableModel | undefined;
  try {
    const outcome = await measured(options, world, model, run, async (onStep) => {
      const weights = [...model.parameters.layout].reduce((sum, [, { shape }]) => sum + elementCount(shape), 0);
      const learningRate =
        method.learningRate?.[optimizer] ??
        (learningRates ? defaultLearningRate(optimizer, { learningRates }, weights) : undefined);
      const complete = completeOptimizerSettings(optimizer, withoutUndefined({ learningRate }));
      const lab = new Lab({
        model,
        sets: {
          target: world.forget,
          retain: world.retain,
          refusals: {
            count: refusals.length,
            of: (target, refusal) =>
              encodeExample(world.tokenizer, { ...world.forgetExamples[target]!, completion: refusals[refusal]! }),
          },
        },
        optimizer: (own) => createOptimizer(optimizer, model.parameters, complete, own),
        referenceModel: async () => {
          reference ??= await load();
          return reference;
        },
        descent: { epochs, batchSize: 8, schedule: { shape: 'linear', warmup: 0.1 } },
        seed,
        ...withoutUndefined({ signal }),
      });
      const work = async () => {
        for await (const event of chosen.run(lab, settings as never)) if (event.kind === 'step') onStep(event);
      };
      await thenRelease(work, () => [lab]);
    });
    await model.save(join(options.folder, 'unlearned', run.replaceAll(' ', '-')), { tokenizer: world.tokenizer });
    return outcome;
  } finally {
    model.release();
    reference?.release();
  }
}
