/**
 * Experiments of many runs: the demo, and studies.
 *
 * @module
 */

export { type Claim, claimsOf, leadersOf } from './analysis/claims.ts';
export { limitsOf } from './analysis/limits.ts';
export { recipesOf } from './analysis/recipes.ts';
export { summarize } from './analysis/summarize.ts';
export type { CellSummary, Comparison, Estimate, StudyFigure, StudySummary } from './analysis/summary.ts';
export { studyTables } from './analysis/tables/list.ts';
export type { StudyTable } from './analysis/tables/study-table.ts';
export { checkPlaces } from './definition/check-places.ts';
export { exampleStudy } from './definition/example.ts';
export type { Estimates } from './definition/inside.ts';
export { studyFileSchema } from './definition/json-schema.ts';
export { readStudy, type StudyFile, studyFrom } from './definition/read-study.ts';
export type {
  LogRange,
  Study,
  StudyEvaluation,
  StudyMethod,
  StudyModel,
  StudyOptimizer,
  StudySearch,
  StudySplit,
  StudyTraining,
} from './definition/study.ts';
export type { DemoEvent, DemoOptions, DemoRow } from './demo/options.ts';
export { demoMethodNames } from './demo/unlearning.ts';
export { type DemoResult, runDemo } from './demo.ts';
export type { StudyEvent } from './events.ts';
export { studyOptimizers } from './optimizers/list.ts';
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
export { type Part, partOf, tasksOf } from './search/tasks.ts';
export { trialIdentity } from './search/trial-identity.ts';
export { type TrialModel, type TrialSettings, trialSettings } from './search/trial-settings.ts';
export type { PathPoint, TrialRecord, TrialTask } from './trial/record.ts';
