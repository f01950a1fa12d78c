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
export { type BeforeAndAfter, type RunEvents, type RunResult, type RunSettings, runTraining } from './run.ts';
export type { ModelLoader, RunnableModel } from './runnable-model.ts';
