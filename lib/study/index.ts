/**
 * Experiments of many runs: the demo, and studies.
 *
 * @module
 */

export type { DemoEvent, DemoOptions, DemoRow } from './demo/options.ts';
export { demoMethodNames } from './demo/unlearning.ts';
export { type DemoResult, runDemo } from './demo.ts';
export {
  type PreparedPair,
  type PreparedPairs,
  prepareStudy,
  runStudy,
  type StudyOptions,
  type StudyProgress,
  studyProgress,
  workOnTrials,
} from './run-study.ts';
export type { StudyEvent } from './worlds/events.ts';
