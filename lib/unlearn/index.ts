/**
 * Objectives, methods and the loop: what makes a model forget, over any model that meets the contract.
 *
 * @module
 */

export {
  type CurvatureEstimate,
  type CurvatureOptions,
  type CurvaturePlan,
  completeCurvatureOptions,
  completeHessianData,
  curvaturePlan,
  type EstimateOptions,
  estimateCurvature,
  type HessianData,
} from './curvature.ts';
export { type StepEvent, type TrainingOptions, type TrainingSummary, train } from './loop.ts';
export { type Method, type MethodName, type MethodOptions, method, methodNames, type Term } from './methods.ts';
export type { Objective, ObjectiveInput, ObjectiveResult } from './objective.ts';
export { crossEntropy } from './objectives/cross-entropy.ts';
export { gradientAscent } from './objectives/gradient-ascent.ts';
export { type NegativePreferenceOptions, negativePreference } from './objectives/negative-preference.ts';
export { type PullBackOptions, pullBack, type TermValue } from './pull-back.ts';
export { referenceValues } from './reference-values.ts';
