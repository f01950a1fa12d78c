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
export { type RunOptions, runTraining } from './run.ts';
export {
  type ChosenAlgorithm,
  chooseAlgorithm,
  defaultEpochs,
  defaultLearningRate,
  methodOfRun,
} from './run-defaults.ts';
export type { RunSummary } from './run-summary.ts';
export type { ModelLoader, ModelLoaderOptions, RunnableModel } from './runnable-model.ts';
export { type CompleteRunSettings, completeRunSettings, type RunSettings } from './settings.ts';
export { runSettingsFromJson } from './settings-json.ts';
export { type Verdict, type VerdictInput, verdictOf } from './verdict.ts';
