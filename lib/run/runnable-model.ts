/**
 * A model that a whole run can load, change, evaluate and save.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { DifferentiableLM, TextGenerator } from '../model/contract.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';

export interface RunnableModel extends DifferentiableLM, TextGenerator {
  readonly vocabularySize: number;
  /** Longest sequence that the model takes, in tokens. */
  readonly maximumLength: number;
  /** Writes a Hugging Face folder: config, weights, and the tokenizer's files. */
  save(folder: string, options: { tokenizer: HuggingFaceTokenizer }): Promise<void>;
  release(): void;
}

export interface ModelLoaderOptions extends Cancellable {
  /** To be told of what in the folder is unusual and what was made of it. */
  onNote?: (note: string) => void;
}

/** Loads a Hugging Face folder, unless the signal fires meanwhile; what ties a run to an engine. */
export type ModelLoader = (folder: string, options?: ModelLoaderOptions) => Promise<RunnableModel>;
