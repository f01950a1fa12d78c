/**
 * Defaults of a run that depend on its method, its model and its data: how much the retain set counts, how far and how often
 * to step.
 *
 * Set on the model of `soul demo` (0.8 million weights), where every optimizer forgets with GradDiff and NPO and keeps about nine tenths
 * of the retain set or more, and tried on TOFU's answers with models of 0.9 and 135 million weights. There NPO keeps everything
 * (0.996 and more), while GradDiff, which nothing bounds, takes a part of the retain set along (0.71 to 0.86 left). A run's
 * verdict says how it went on yours.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { Algorithm, LearningRates } from '../unlearn/algorithm.ts';
import {
  type InnerMethod,
  type InnerMethodSetting,
  innerAlgorithm,
  innerLearningRates,
  innerMethodSetting,
  mergeMethodSettings,
} from '../unlearn/inner-method.ts';
import { type Method, weightedTerms } from '../unlearn/method.ts';
import { graddiff } from '../unlearn/methods/graddiff.ts';
import {
  type AlgorithmName,
  type AlgorithmSettings,
  algorithm,
  type MethodName,
  method,
  settingsFor,
} from '../unlearn/registry.ts';
import { learningRatesOf, type OptimizerName, type OptimizerSettings, rateForSize } from './optimizer-choice.ts';

/**
 * The learning rate of a run: what the algorithm's file says for 7 billion weights (near what TOFU, SOUL and NPO publish; Sophia's
 * step is shorter than the learning rate wherever it does not clip, so it takes more than AdamW, while SOUL's repository clips
 * nearly everywhere, and takes less), scaled. A step changes each weight by about the learning rate, and an output by as much times
 * the weights it sums over: for the same effect steps shrink with a model's width, that is, with the square root of its size.
 *
 * @param weights of the model; with adapters of their base: how many the adapters have changes nothing
 * @param hasAdapters multiplies the rate by the optimizer's `adapterFactor`
 * @throws SoulError SOUL_INVALID_ARGUMENT for an algorithm that takes no steps
 */
export function defaultLearningRate(
  optimizer: OptimizerName,
  { learningRates }: { readonly learningRates?: LearningRates },
  weights: number,
  settings?: OptimizerSettings,
  hasAdapters = false,
): number {
  if (learningRates === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'an algorithm that takes no steps has no learning rate', {
      argument: 'algorithm',
    });
  }
  return rateForSize(optimizer, learningRatesOf(learningRates)[optimizer], weights, settings, hasAdapters);
}

const fineTuningEpochs = 5;
const unlearningEpochs = 10;
const unlearningSteps = 40;
const adapterFactor = 3;

/**
 * Fine-tuning takes 5 epochs. Unlearning takes 10 (NPO's number; TOFU's 5 leave half-way what larger steps would break), and
 * more where that makes less than 40 steps: how far the weights come depends on the steps, and a deletion may be of one example.
 * Adapters take three times as many: on the demo's model GradDiff leaves them 0.85 of the retain set after 40 steps, 0.93 after 120.
 * Where terms take turns, the retain set has its steps beside those, and the 40 stay: 3 times 10 epochs, or as many as make 40 steps.
 *
 * @param stepsPerEpoch over the target set, those of other turns left out
 */
export function defaultEpochs(
  { name }: { readonly name: string },
  stepsPerEpoch: number,
  hasAdapters = false,
  inTurns = false,
): number {
  if (name === 'finetune') return fineTuningEpochs;
  const epochs = Math.max(unlearningEpochs, Math.ceil(unlearningSteps / stepsPerEpoch));
  if (!hasAdapters) return epochs;
  return inTurns ? Math.max(adapterFactor * unlearningEpochs, epochs) : adapterFactor * epochs;
}

/** An algorithm with its settings, as a run takes them. */
export interface ChosenAlgorithm {
  readonly algorithm: Algorithm;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Where the algorithm is a descent and nothing else. */
  readonly method?: Method;
  /** Of the algorithm, or of the method inside it; absent where no steps are taken. */
  readonly learningRates?: LearningRates;
}

/** The algorithm, and those that its settings put inside it. */
export function* algorithmsIn(
  chosen: Pick<ChosenAlgorithm, 'algorithm' | 'settings' | 'method'>,
): Generator<typeof chosen> {
  yield chosen;
  const { algorithm, settings } = chosen;
  for (const [name, entry] of Object.entries(algorithm.settings)) {
    if (entry.kind !== 'method') continue;
    const inner = innerAlgorithm(settings[name], (entry as InnerMethodSetting).inner);
    const method = inner.algorithm.method?.(inner.settings as never);
    yield* algorithmsIn({ ...inner, ...(method ? { method } : {}) });
  }
}

/** Whether terms take turns in a descent of the algorithm, or of one inside it. */
export function takesTurns(chosen: Parameters<typeof algorithmsIn>[0]): boolean {
  return [...algorithmsIn(chosen)].some(({ method }) => method?.turns !== undefined);
}

/**
 * What a run's settings name: an algorithm by its name, with the defaults of runs, one of the caller's own, or a method of the caller's
 * own, which takes GradDiff's learning rates.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, or settings that it does not have
 */
export function chooseAlgorithm(
  given: AlgorithmName | Method | Algorithm,
  settings: AlgorithmSettings | Readonly<Record<string, unknown>> = {},
): ChosenAlgorithm {
  if (typeof given !== 'string' && !('run' in given)) {
    weightedTerms(given);
    const own = asAlgorithm(given);
    return { algorithm: own, settings: given.settings ?? {}, method: given, ...ratesOf(own, {}) };
  }
  const chosen = typeof given === 'string' ? algorithm(given) : given;
  const complete = settingsFor(chosen, mergeMethodSettings(chosen.runDefaults, settings));
  return {
    algorithm: chosen,
    settings: complete,
    ...(chosen.method ? { method: chosen.method(complete as never) } : {}),
    ...ratesOf(chosen, complete),
  };
}

function ratesOf(
  { settings, method: descent, learningRates }: Algorithm,
  complete: Readonly<Record<string, unknown>>,
): Pick<ChosenAlgorithm, 'learningRates'> {
  if (settings.method === innerMethodSetting)
    return { learningRates: innerLearningRates(complete.method as InnerMethod) };
  // A method that names none takes GradDiff's.
  const rates = learningRates ?? (descent ? graddiff.learningRates : undefined);
  return rates ? { learningRates: rates } : {};
}

/** A method for a run, by its name, with the defaults of runs. */
export function methodOfRun<Name extends MethodName>(name: Name, settings?: AlgorithmSettings<Name>): Method {
  return method(name, {
    ...algorithm(name).runDefaults,
    ...withoutUndefined(settings ?? {}),
  } as AlgorithmSettings<Name>);
}

function asAlgorithm(own: Method): Algorithm {
  return {
    name: own.name,
    summary: 'a method of your own',
    paper: 'yours',
    formula: own.terms.map(({ name }) => name).join(' + '),
    promises: { property: 'yours' },
    settings: {},
    runDefaults: {},
    learningRates: graddiff.learningRates,
    endsAnywhere: true,
    method: () => own,
    needs: () => [],
    run: (lab) => lab.descend(own),
  };
}
