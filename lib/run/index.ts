/**
 * Whole runs: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

export type { BeforeAndAfter, Evaluation } from './measure.ts';
export {
  completeOptimizerSettings,
  createOptimizer,
  type OptimizerName,
  type OptimizerSettings,
  optimizerNames,
} from './optimizer-choice.ts';
export type { RunResult } from './record.ts';
export { type RunEvents, runTraining } from './run.ts';
export { defaultEpochs, defaultLearningRate, methodOfRun } from './run-defaults.ts';
export type { ModelLoader, ModelLoaderOptions, RunnableModel } from './runnable-model.ts';
export { type CompleteRunSettings, completeRunSettings, type RunSettings } from './settings.ts';
export { type Verdict, type VerdictInput, verdictOf } from './verdict.ts';
