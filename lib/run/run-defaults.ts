/**
 * Defaults of a run that depend on its method, its model and its data: how much the retain set counts, how far and how often
 * to step.
 *
 * Set on the model of `soul demo` (0.8 million weights), where every optimizer forgets with GradDiff and NPO and keeps nine tenths
 * and more of the retain set, and tried on TOFU's answers with models of 0.9 and 135 million weights. There NPO keeps everything
 * (0.996 and more), while GradDiff, which nothing bounds, takes a part of the retain set along (0.71 to 0.86 left). A run's
 * verdict says how it went on yours.
 *
 * @module
 */

import { type Method, type MethodName, type MethodOptions, method } from '../unlearn/methods.ts';
import type { OptimizerName } from './optimizer-choice.ts';

/** The size at which published learning rates stand: 7 billion weights. */
const publishedSize = 7e9;

/**
 * Peak learning rates at that size, near what TOFU (1e-5), SOUL (5e-6 for GradDiff, four times that for PO) and NPO (1e-5)
 * publish. Sophia's step is shorter than the learning rate wherever it does not clip, so it takes more than AdamW; SOUL's
 * repository clips nearly everywhere, and takes less. Ascent alone has nothing that holds it back.
 */
const learningRates: Record<OptimizerName, Record<MethodName, number>> = {
  adamw: { finetune: 1e-5, ascent: 1.5e-6, graddiff: 5e-6, npo: 5e-6, po: 2e-5 },
  sophia: { finetune: 2e-5, ascent: 2.7e-6, graddiff: 9e-6, npo: 7e-6, po: 3.6e-5 },
  'soul-repo': { finetune: 7e-6, ascent: 1e-6, graddiff: 3.5e-6, npo: 3.5e-6, po: 1.4e-5 },
};

/**
 * A step changes each weight by about the learning rate, and an output by as much times the weights it sums over: for the same
 * effect steps shrink with a model's width, that is, with the square root of its size. A method of one's own takes GradDiff's.
 *
 * @param weights of the model
 */
export function defaultLearningRate(optimizer: OptimizerName, { name }: Method, weights: number): number {
  const ofMethods = learningRates[optimizer];
  const published = Object.hasOwn(ofMethods, name) ? ofMethods[name as MethodName] : ofMethods.graddiff;
  return Number((published * Math.sqrt(publishedSize / weights)).toPrecision(2));
}

const fineTuningEpochs = 5;
const unlearningEpochs = 10;
const unlearningSteps = 40;

/**
 * Fine-tuning takes 5 epochs. Unlearning takes 10 (NPO's number; TOFU's 5 leave half-way what larger steps would break), and
 * more where that makes less than 40 steps: how far the weights come depends on the steps, and a deletion may be of one example.
 */
export function defaultEpochs({ name }: Method, stepsPerEpoch: number): number {
  if (name === 'finetune') return fineTuningEpochs;
  return Math.max(unlearningEpochs, Math.ceil(unlearningSteps / stepsPerEpoch));
}

/**
 * A method for a run, by its name. The retain term counts 5 times (SOUL's choice for PO): at 1, published for models of 7
 * billion weights, ascent on a small model takes the retain set with it before the retain term mends anything.
 */
export function methodOfRun(name: MethodName, options: MethodOptions = {}): Method {
  const { retain } = method(name, options);
  return retain && options.retainCoefficient === undefined
    ? method(name, { ...options, retainCoefficient: 5 })
    : method(name, options);
}
