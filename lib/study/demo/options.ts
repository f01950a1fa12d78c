/**
 * What the demo is told, and what it tells.
 *
 * @module
 */

import { type Cancellable, checkSignal } from '../../core/cancellation.ts';
import { checkChoice, checkSeed } from '../../core/checks.ts';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { type OptimizerName, optimizerNames } from '../../run/optimizer-choice.ts';
import { chooseAlgorithm } from '../../run/run-defaults.ts';
import type { ModelLoader, RunnableModel } from '../../run/runnable-model.ts';
import { neededSets } from '../../run/settings.ts';
import type { StepEvent } from '../../unlearn/events.ts';
import type { AlgorithmName } from '../../unlearn/registry.ts';

export interface DemoOptions extends Cancellable {
  /** Folder for the data and the models; made if it is not there. */
  folder: string;
  seed?: bigint;
  loadModel: ModelLoader;
  /** Makes a model with random weights from the content of a config.json. */
  createModel: (config: object, seed: bigint, options?: Cancellable) => Promise<RunnableModel>;
  /** What the model forgets by; `demoMethodNames` by default, and nothing where the list is empty. */
  methods?: readonly AlgorithmName[];
  /** What each method is run with that takes steps; `demoOptimizerNames` by default. */
  optimizers?: readonly OptimizerName[];
  onEvent?: (event: DemoEvent) => void;
}

export type DemoEvent =
  | {
      kind: 'data';
      authors: number;
      forgetExamples: number;
      retainExamples: number;
      vocabulary: number;
    }
  /** Something begins that takes a while and has no steps. */
  | { kind: 'phase'; phase: string }
  | { kind: 'step'; run: string; step: StepEvent }
  | { kind: 'result'; row: DemoRow };

/** One model's figures. */
export interface DemoRow {
  /** `original`, `retrained` (never saw the forget set), or the unlearning run's optimizer and method. */
  name: string;
  optimizer?: OptimizerName;
  method?: AlgorithmName;
  /** Mean probability of the answers, length-normalised. */
  forgetProbability: number;
  retainProbability: number;
  forgetRouge: number;
  retainRouge: number;
  /** Mean distance of the forget answers' log-likelihood to the retrained model's, in nats a token. */
  distanceToRetrained: number;
  /** Optimizer steps; 0 of a method that takes none. */
  steps: number;
  /** Duration of the training or unlearning, without loading and evaluation. */
  seconds: number;
  /** Peak resident memory of the process during it, in bytes; the host's, where what lies on a GPU does not count. */
  peakMemory: number;
  /** Share of weights that Sophia clipped, mean over the steps. */
  clippedFraction?: number;
}

const optionNames = [
  'folder',
  'seed',
  'loadModel',
  'createModel',
  'methods',
  'optimizers',
  'onEvent',
  'signal',
] as const satisfies readonly (keyof DemoOptions)[];

/** Refuses a mistake in the options before a folder is made. */
export function checkOptions(options: DemoOptions): void {
  checkNames('options', options, optionNames);
  if (typeof options.folder !== 'string') throw invalidArgument('folder', 'the path of a folder', options.folder);
  checkSeed('seed', options.seed ?? 0n);
  checkSignal('signal', options.signal);
  for (const name of options.methods ?? []) {
    if (!neededSets(chooseAlgorithm(name)).includes('alternatives')) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the demo has no other answers to its questions, which ${name} needs; leave it out`,
      { argument: 'methods', found: name },
    );
  }
  for (const name of options.optimizers ?? []) checkChoice('optimizers', name, Object.keys(optimizerNames));
  for (const name of ['loadModel', 'createModel', 'onEvent'] as const) {
    const value: unknown = options[name];
    const isLeftOut = name === 'onEvent' && value === undefined;
    if (typeof value !== 'function' && !isLeftOut) throw invalidArgument(name, 'a function', value);
  }
}
