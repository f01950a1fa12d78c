/**
 * A model that a whole run can load, change, evaluate and save.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { Device } from '../core/devices.ts';
import type { DifferentiableLM, PassMemory, PassShape, TextGenerator } from '../model/contract.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { ModelFacts } from '../unlearn/algorithm.ts';

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
export interface ModelLoader {
  (folder: string, options?: ModelLoaderOptions): Promise<RunnableModel>;
  /** What the model would take, from its config.json alone; absent where nobody can say. */
  readonly memory?: (folder: string, passes: readonly PassShape[]) => Promise<ModelMemory>;
}

/** The memory of a model that is not loaded. */
export interface ModelMemory extends ModelFacts {
  readonly device: Device;
  /** Elements of its flat buffer. */
  readonly elements: number;
  /** Of the passes that were asked about the one that takes most. */
  readonly pass: PassMemory;
}
