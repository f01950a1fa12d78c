/**
 * Whole experiments: runs with their out folder and record, and the demo.
 *
 * @module
 */

export { type DemoEvent, type DemoOptions, type DemoResult, type DemoRow, runDemo } from './demo.ts';
export {
  completeOptimizerSettings,
  createOptimizer,
  type OptimizerName,
  type OptimizerSettings,
  optimizerNames,
} from './optimizer-choice.ts';
export { type RunEvents, runTraining } from './run.ts';
export type { BeforeAndAfter, RunResult } from './run-record.ts';
export { type CompleteRunSettings, completeRunSettings, type RunSettings } from './run-settings.ts';
export type { ModelLoader, RunnableModel } from './runnable-model.ts';
