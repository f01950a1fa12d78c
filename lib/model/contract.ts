/**
 * What a differentiable language model shows to everything above it.
 *
 * A model gives one number per label token and can be pulled back through those numbers. Objectives, loops and metrics
 * need nothing else, so they run on any trainer that implements these interfaces; `TorchLM` is one.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { ParameterLayout } from './parameter-layout.ts';
import type { TokenBatch } from './token-batch.ts';

/**
 * A language model whose token losses can be differentiated by its parameters.
 *
 * A call that hears its signal ends as soon as it can with SOUL_CANCELLED; the gradients may then hold a part of what it would have
 * added.
 */
export interface DifferentiableLM {
  /** How many tokens there are; where it is given, sequences with others are refused before they are run. */
  readonly vocabularySize?: number;

  /** Two buffers of the same layout; `backward` and `accumulate` add to `gradients`, nobody else writes there. */
  readonly parameters: {
    readonly values: FlatBuffer;
    readonly gradients: FlatBuffer;
    readonly layout: ParameterLayout;
  };

  /** -log p(label) of every label token, in nats, kept ready to be pulled back. */
  nll(batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /** KL(reference || model) of the next-token distribution at every label token, in nats. */
  klTo(reference: ReferenceLM, batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /**
   * Adds sum_i weights[i] * d(-log p(label_i)) / d(theta) to the gradients in one chunked pass: for weights that are
   * known beforehand. With sampled labels each label is drawn from the model's own distribution at its position.
   *
   * @param weights one per label token, in the batch's order
   * @returns -log p of the labels used, one per label token, in nats
   */
  accumulate(batch: TokenBatch, weights: Float32Array, options?: AccumulateOptions): Promise<Float32Array>;

  /** Figures of every label token without building a graph. */
  score(batch: TokenBatch, options?: Cancellable): Promise<TokenScores>;
}

/** A fixed model to compare with. Implementations of {@link DifferentiableLM} accept references of their own kind. */
export interface ReferenceLM {
  readonly vocabularySize: number;
}

export interface AccumulateOptions extends Cancellable {
  /** The batch's own labels (default), or labels sampled from the model as a function of this seed and the token's index. */
  labels?: 'given' | { sampledWith: bigint };
}

/** What of a batch decides how much memory a pass over it takes. */
export interface BatchShape {
  /** Tokens that the model reads: of each sequence all but the last, which is a label only. */
  readonly rows: number;
  readonly labels: number;
  /** Rows of the longest sequence. */
  readonly longest: number;
}

/** Bytes that a pass takes at its height, beside the weights and their gradients. */
export interface PassMemory {
  /** Kept from the forward pass until the backward pass has come to it. */
  readonly activations: number;
  /** What one layer's gradient, or a chunk of logits, takes for a moment. */
  readonly work: number;
}

/** Values of one forward pass, one per label token, that can be pulled back once. */
export interface Pass {
  /** One per label token, sequence after sequence. */
  readonly values: Float32Array;
  /** Where each sequence begins in `values`; one more entry than sequences, the last is `values.length`. */
  readonly offsets: Uint32Array;
  /** Adds sum_i weights[i] * d values[i] / d(theta) to the gradients, then releases the pass. */
  backward(weights: Float32Array, options?: Cancellable): Promise<void>;
  /** Frees what the pass keeps; harmless when done twice. */
  release(): void;
}

/** Figures of every label token, sequence after sequence. */
export interface TokenScores {
  /** log p(label), in nats. */
  readonly logProbability: Float32Array;
  /** 1 where the label is the model's most likely token. */
  readonly isArgmax: Uint8Array;
  /** Mean of log p over the vocabulary under the model's own distribution, in nats (minus the entropy). */
  readonly mean: Float32Array;
  /** Variance of log p over the vocabulary under the model's own distribution. */
  readonly variance: Float32Array;
  /** Where each sequence begins; one more entry than sequences. */
  readonly offsets: Uint32Array;
}

/** A model that continues token sequences. */
export interface TextGenerator {
  /** @returns for each prompt the new tokens only, without the stop token */
  generate(prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<number[][]>;
}

export interface GenerateOptions {
  /** At most this many new tokens a prompt. */
  maxNewTokens: number;
  /** Generation of a prompt ends at any of these tokens. */
  stopTokens?: readonly number[];
  /** 0 (default) is greedy; otherwise logits are divided by it before sampling. */
  temperature?: number;
  /** Sample only among the smallest set of tokens whose probability reaches this share; 1 (default) is all. */
  topP?: number;
  /** Seed of the sampling; a draw is a function of (seed, prompt, position). Default 0n. */
  seed?: bigint;
  /** Ends the work with SOUL_CANCELLED, between two tokens. */
  signal?: AbortSignal;
}
