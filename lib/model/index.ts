/**
 * The contract that a language model meets, and Hugging Face files.
 *
 * @module
 */

export type { AdapterConfig, AdapterOptions, LoraConfig, LoraOptions } from './adapter/adapter-config.ts';
export { isAdapterFolder, type ModelFolders, modelFolders } from './adapter/adapter-folder.ts';
export { adapterLayout } from './adapter/adapter-layout.ts';
export { type ReadCheckpointOptions, readCheckpoint, type WeightDType, writeCheckpoint } from './checkpoint.ts';
export { parseModelConfig, readModelConfig } from './config.ts';
export type {
  AccumulateOptions,
  ActivationTarget,
  BackwardOptions,
  CurvatureProductOptions,
  CurvatureProducts,
  DifferentiableLM,
  GenerateOptions,
  Pass,
  ReferenceLM,
  ScoreOptions,
  TextGenerator,
  TokenScores,
  TokenTarget,
} from './contract.ts';
export type {
  Activation,
  DecoderConfig,
  DecoderNames,
  LayerAttention,
  NormKind,
  StoredProjection,
} from './decoder-config.ts';
export { parameterLayout } from './decoder-weights.ts';
export type { Family } from './families/family.ts';
export { families } from './families/index.ts';
export { huggingFaceConfig, type ModelFolderOptions, writeModelFolder } from './model-folder.ts';
export {
  type NamedParameter,
  type ParameterKind,
  ParameterLayout,
  type ParameterPlace,
  type ParameterRange,
  type ParameterRole,
  type ParameterSlot,
} from './parameter-layout.ts';
export type { Rope, RopeScaling } from './rope.ts';
export { gradientFree, type ScoredLM } from './scored-lm.ts';
export { type LabelSpan, TokenBatch, type TokenSequence } from './token-batch.ts';
export { HuggingFaceTokenizer, type TextTokenizer } from './tokenizer.ts';
export { copyTokenizerFiles, tokenizerFiles } from './tokenizer-files.ts';
