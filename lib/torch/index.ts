/**
 * Language models on libtorch.
 *
 * @module
 */

export { TokenBatch } from '../model/token-batch.ts';
export { describeEngine, type EngineReport, engineHasCuda, type InstalledEngine, installedEngine } from './engine.ts';
export { type InstallOptions, installEngine } from './install.ts';
export { engineThreads, type LoadOptions } from './load-options.ts';
export type { SaveMergedOptions, SaveOptions } from './saving.ts';
export { TorchLM } from './torch-lm.ts';
