/**
 * Metrics of what a model still knows.
 *
 * @module
 */

export { checkComparable, type NamedLog } from './comparison/comparable.ts';
export {
  type ComparedColumn,
  type ComparedModel,
  type CompareLogsOptions,
  type Comparison,
  type ComparisonCell,
  compareLogs,
  type Standing,
} from './comparison/compare-logs.ts';
export {
  type ComparisonColumn,
  type ComparisonLayout,
  comparisonLayout,
  comparisonLayouts,
} from './comparison/layouts.ts';
export type { Embedder } from './embedding/embedder.ts';
export { OnnxEmbedder } from './embedding/onnx-embedder.ts';
export { type EvaluatedExample, type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
export type { Figure } from './figures/figure.ts';
export { type LogFigures, type MeasureLogOptions, measureLog } from './figures/measure-log.ts';
export { type GeneratedAnswer, type GenerationOptions, generateAnswers, generationRouge } from './generation.ts';
export { logitLens } from './logit-lens.ts';
export { answerProbability, perplexity, probabilityAgainstWrong } from './metrics/answer-probability.ts';
export { areaUnderCurve } from './metrics/area-under-curve.ts';
export { Bootstrap, type BootstrapOptions, type Estimator, figureOf } from './metrics/bootstrap.ts';
export { exactMemorization } from './metrics/exact-memorization.ts';
export { extractionStrength } from './metrics/extraction-strength.ts';
export { forgetQuality } from './metrics/forget-quality.ts';
export { type KolmogorovSmirnov, kolmogorovSmirnov } from './metrics/kolmogorov-smirnov.ts';
export { type LensReadings, logitLensErasure } from './metrics/logit-lens-erasure.ts';
export {
  membershipAuc,
  minKPlusPlusScore,
  minKScore,
  referenceScore,
  type ScoredTokens,
  zlibScore,
} from './metrics/membership.ts';
export { harmonicMean, modelUtility } from './metrics/model-utility.ts';
export { cosineSimilarity, isNearest } from './metrics/nearest-answer.ts';
export { privleak } from './metrics/privleak.ts';
export { logTruthRatio, nearnessToOne, preferenceForTruth, type TruthRatioOptions } from './metrics/truth-ratio.ts';
export { distanceToReference, type ExampleLikelihood, likelihood, probability } from './probability.ts';
export {
  evaluationProfile,
  type Profile,
  type ProfileName,
  profileNames,
  type RecordingConventions,
} from './profiles.ts';
export type { BatchedOptions, EvaluationProgress } from './progress.ts';
export { type RougeScore, rouge1, rougeL } from './rouge.ts';
export { type EvaluateTofuOptions, evaluateTofu } from './tofu/evaluate-tofu.ts';
export { EvaluationJournal } from './tofu/journal.ts';
export {
  type AnswerLoss,
  type EvaluationLog,
  type EvaluationSet,
  evaluationSets,
  type ItemTexts,
  type LogItem,
  type MembershipAttack,
  type Recording,
  type Similarities,
  type StatedFigure,
  type TokenFigures,
} from './tofu/log.ts';
export { readEvaluationLog } from './tofu/read-log.ts';
export { readTofuSets, type TofuSets, type TofuSetsOptions } from './tofu/sets.ts';
export { recurringNames } from './tofu/subjects.ts';
export { writeEvaluationLog } from './tofu/write-log.ts';
export { type ScoreTokensOptions, type SequenceScores, scoreTokens } from './token-scores.ts';
