/**
 * A model that a whole run can load, change, evaluate and save.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { DifferentiableLM, TextGenerator } from '../model/contract.ts';

export interface RunnableModel extends DifferentiableLM, TextGenerator {
  readonly vocabularySize: number;
  /** Longest sequence that the model takes, in tokens. */
  readonly maximumLength: number;
  /** Writes a Hugging Face folder: config and weights. */
  save(folder: string): Promise<void>;
  release(): void;
}

/** Loads a Hugging Face folder, unless the signal fires meanwhile; what ties a run to an engine. */
export type ModelLoader = (folder: string, options?: Cancellable) => Promise<RunnableModel>;
