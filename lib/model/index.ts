/**
 * The contract that a language model meets, and Hugging Face files.
 *
 * @module
 */

export { type ReadCheckpointOptions, readCheckpoint, type WeightDType, writeCheckpoint } from './checkpoint.ts';
export { type LlamaConfig, parseLlamaConfig, type RopeScaling, readLlamaConfig } from './config.ts';
export type {
  AccumulateOptions,
  DifferentiableLM,
  GenerateOptions,
  Pass,
  ReferenceLM,
  TextGenerator,
  TokenScores,
} from './contract.ts';
export { llamaLayout } from './llama-layout.ts';
export { huggingFaceConfig, type ModelFolderOptions, writeModelFolder } from './model-folder.ts';
export { type ParameterKind, ParameterLayout, type ParameterPlace, type ParameterRange } from './parameter-layout.ts';
export { TokenBatch, type TokenSequence } from './token-batch.ts';
export { HuggingFaceTokenizer, type TextTokenizer } from './tokenizer.ts';
export { copyTokenizerFiles, tokenizerFiles } from './tokenizer-files.ts';
