/**
 * Metrics of what a model still knows.
 *
 * @module
 */

export { type EvaluatedExample, type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
export { type GeneratedAnswer, type GenerationOptions, generationRouge } from './generation.ts';
export { distanceToReference, type ExampleLikelihood, probability } from './probability.ts';
export type { BatchedOptions, EvaluationProgress } from './progress.ts';
export { type RougeScore, rougeL } from './rouge.ts';
