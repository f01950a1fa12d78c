/**
 * Objectives, terms, gradient rules, descents and algorithms: what makes a model forget, over any model that meets the contract.
 *
 * @module
 */

export type { Json } from '../core/json.ts';
export {
  type Algorithm,
  type AlgorithmDefinition,
  type AlgorithmText,
  type Directions,
  defineAlgorithm,
  defineMethod,
  type LearningRates,
  type MethodDefinition,
  type ModelFacts,
  type Promises,
  settingsOf,
} from './algorithm.ts';
export {
  type ConjugateGradientBuffers,
  type ConjugateGradientOptions,
  type ConjugateGradientResult,
  type ConjugateGradientState,
  conjugateGradient,
} from './conjugate-gradient.ts';
export type { Leavings, StageValue, StageWork } from './course.ts';
export {
  type CurvatureEstimate,
  type CurvatureOptions,
  type CurvaturePlan,
  completeCurvatureOptions,
  completeHessianData,
  constantCurvature,
  curvaturePlan,
  type EstimateOptions,
  estimateCurvature,
  type HessianData,
} from './curvature.ts';
export { descend } from './descend.ts';
export type {
  DescentHooks,
  DescentInput,
  DescentOptions,
  HookMemory,
  ScheduleShape,
  StepPlace,
  TermPlace,
} from './descent-options.ts';
export {
  type AlgorithmDescription,
  describeAlgorithm,
  type Need,
  type SettingDescription,
} from './description.ts';
export type { DescentSummary, RunEvent, RunPhase, StepEvent } from './events.ts';
export { type BottleneckModel, type CaptureOptions, captureGrams } from './fusion/capture.ts';
export { type FusionOptions, fuseLinear, type LinearPart } from './fusion/fuse.ts';
export { type FolderFusionOptions, type FusedFolder, fuseFolders } from './fusion/fuse-folders.ts';
export { fuseUnlearningLayers, type LayersFusionOptions, type LayersPart } from './fusion/fuse-layers.ts';
export { addInputs, addMatrix, emptyGram, type Gram, gramOfMatrix } from './fusion/gram.ts';
export { readGrams, writeGrams } from './fusion/gram-file.ts';
export type { GradientRule } from './gradient-rule.ts';
export {
  type InnerMethod,
  type InnerMethodSetting,
  innerAlgorithm,
  innerMethod,
  innerMethodOf,
  innerMethodSetting,
} from './inner-method.ts';
export type { Journal, KeptProgress, Progress, RestPlace } from './journal.ts';
export { Lab, type LabDescent, type LabOptions } from './lab.ts';
export { checkSets, type Method, setsNeeded } from './method.ts';
export {
  type Objective,
  type ObjectiveInput,
  type ObjectiveResult,
  requireReference,
  sequenceSums,
  wholeCounts,
} from './objective.ts';
export { boundedCrossEntropy } from './objectives/bounded-cross-entropy.ts';
export { crossEntropy } from './objectives/cross-entropy.ts';
export { type DirectPreferenceOptions, directPreference } from './objectives/direct-preference.ts';
export { gradientAscent } from './objectives/gradient-ascent.ts';
export { type NegativePreferenceOptions, negativePreference } from './objectives/negative-preference.ts';
export { type SaturatingAscentOptions, saturatingAscent } from './objectives/saturating-ascent.ts';
export {
  type SimpleNegativePreferenceOptions,
  simpleNegativePreference,
} from './objectives/simple-negative-preference.ts';
export { type WeightedAscentOptions, weightedAscent } from './objectives/weighted-ascent.ts';
export { type PullBackOptions, pullBack, type TermValue } from './pull-back.ts';
export type { ActivationQuantity, Quantity, TargetQuantity } from './quantity.ts';
export { type ReferenceOptions, referenceValues } from './reference-values.ts';
export {
  type AlgorithmName,
  type AlgorithmSettings,
  algorithm,
  algorithms,
  type MethodName,
  method,
} from './registry.ts';
export { type MinNormOptions, minNorm } from './rules/min-norm.ts';
export { normalisedDifference } from './rules/normalised-difference.ts';
export { type GruOptions, gradientRectified, projectConflicts } from './rules/projection.ts';
export {
  type CompleteSettings,
  choiceSetting,
  flagSetting,
  type GivenSettings,
  integerSetting,
  numberSetting,
  patternOf,
  type Schema,
  type Setting,
  textSetting,
} from './setting.ts';
export {
  alternativePairs,
  alternativeSet,
  type DataSets,
  type Draw,
  type OptionalSet,
  refusalPairs,
  refusalSet,
  retainSet,
  type Source,
  type SourceOf,
  targetSet,
  targetText,
} from './source.ts';
export type { AdaptiveCoefficient, StepLosses, Term } from './term.ts';
export { type TermLossOptions, termLoss } from './term-loss.ts';
export type { PartOptions } from './term-parts.ts';
export { type TrainingOptions, train } from './train.ts';
export type { Turn } from './turns.ts';
export { alongCoordinates, type CoordinateOptions } from './zeroth-order/coordinates.ts';
export { checkDifferences, type Estimator } from './zeroth-order/differences.ts';
export { alongDirections, type DirectionOptions } from './zeroth-order/random-directions.ts';
