/**
 * Whole runs: a model folder and data files in, a model folder with its record out.
 *
 * @module
 */

export { settingsOfCheckpoint } from './checkpoints/settings-of-checkpoint.ts';
export type { EvaluationPoint, EvaluationSeries } from './evaluations/evaluation.ts';
export type { SetFigureName } from './evaluations/figures.ts';
export {
  type FigureCondition,
  parseFigureConditions,
} from './figure-condition.ts';
export { ItemKey } from './item-key.ts';
export { itemForm, itemName } from './item-names.ts';
export type { BeforeAndAfter, Evaluation, SetFigures } from './measure.ts';
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
export { runEvents, type WholeRunEvent } from './run-events.ts';
export { type ListedRun, listRuns } from './run-list.ts';
export type { RunSummary } from './run-summary.ts';
export type { ModelLoader, ModelLoaderOptions, RunnableModel } from './runnable-model.ts';
export { type CompleteRunSettings, completeRunSettings, type RunSettings } from './settings.ts';
export { runSettingsFromJson } from './settings-json.ts';
export type { Traces } from './traces.ts';
export { type Verdict, type VerdictInput, verdictOf } from './verdict.ts';
export type { Check, CheckSubject } from './verify/check.ts';
export type { FoundItems } from './verify/items.ts';
export { type Verification, type VerifyOptions, verifyRun } from './verify/verify-run.ts';
