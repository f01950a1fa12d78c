/**
 * A model that a whole run can load, change, evaluate and save.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { Device } from '../core/devices.ts';
import type { AdapterConfig, AdapterOptions } from '../model/adapter/adapter-config.ts';
import type { BottleneckInputs, DifferentiableLM, PassMemory, PassShape, TextGenerator } from '../model/contract.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import type { TokenBatch } from '../model/token-batch.ts';
import type { HuggingFaceTokenizer } from '../model/tokenizer.ts';
import type { ModelFacts } from '../unlearn/algorithm.ts';

export interface RunnableModel extends DifferentiableLM, TextGenerator {
  readonly vocabularySize: number;
  /** Longest sequence that the model takes, in tokens. */
  readonly maximumLength: number;
  /** What adapters it has, where those alone train. */
  readonly adapter?: AdapterConfig | undefined;
  /** The frozen weights beside adapters. */
  readonly base?: { readonly layout: ParameterLayout } | undefined;
  /** Of a model with unlearning layers: Gram matrices of what enters each over the tokens of a batch. */
  bottleneckInputs?(batch: TokenBatch, options?: Cancellable): Promise<readonly BottleneckInputs[]>;
  /** Another on the same frozen weights, with a copy of the adapters as they are; of models with adapters. */
  fork?(): Promise<RunnableModel>;
  /** A whole one with the adapters folded in; of models with adapters. */
  merged?(): Promise<RunnableModel>;
  /** Writes a Hugging Face folder: config, weights, and the tokenizer's files; of a model with adapters those, as PEFT has them. */
  save(folder: string, options: { tokenizer: HuggingFaceTokenizer }): Promise<void>;
  release(): void;
}

/** The adapters that a model is loaded with. */
export interface AdapterChoice {
  /** Fresh ones, on a whole model. */
  readonly adapter?: AdapterOptions;
  /** The folder of the model that a folder of adapters belongs to. */
  readonly base?: string;
}

export interface ModelLoaderOptions extends Cancellable, AdapterChoice {
  /** To be told of what in the folder is unusual and what was made of it. */
  onNote?: (note: string) => void;
}

/** Loads a Hugging Face folder, unless the signal fires meanwhile; what ties a run to an engine. */
export interface ModelLoader {
  (folder: string, options?: ModelLoaderOptions): Promise<RunnableModel>;
  /** What the model would take, from its config.json alone; absent where nobody can say. */
  readonly memory?: (folder: string, passes: readonly PassShape[], adapters?: AdapterChoice) => Promise<ModelMemory>;
}

/** The memory of a model that is not loaded. */
export interface ModelMemory extends ModelFacts {
  readonly device: Device;
  /** Elements of its flat buffer of what trains. */
  readonly elements: number;
  /** Elements of the frozen weights beside it; absent where all weights train. */
  readonly frozen?: number;
  /** Of the passes that were asked about the one that takes most. */
  readonly pass: PassMemory;
}
