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
export interface DifferentiableLM extends Partial<CurvatureProducts> {
  /** How many tokens there are; where it is given, sequences with others are refused before they are run. */
  readonly vocabularySize?: number;

  /** Two buffers of the same layout; `backward` and `accumulate` add to `gradients`, nobody else writes there. */
  readonly parameters: {
    readonly values: FlatBuffer;
    readonly gradients: FlatBuffer;
    readonly layout: ParameterLayout;
  };

  /**
   * Whether passes of `nll` hear {@link BackwardOptions}. Absent: each is pulled back once, by its own labels, and a curvature estimate
   * makes passes of its own.
   */
  readonly keepsPasses?: boolean;

  /** -log p(label) of every label token, in nats, kept ready to be pulled back. */
  nll(batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /** KL(reference || model) of the next-token distribution at every label token, in nats. */
  klTo(reference: ReferenceLM, batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /**
   * Cross-entropy of the model to a target distribution at every label token, in nats; the target is taken as constant. Absent where a
   * model does not give it: methods that need it (UNDIAL, CE-U) are refused before they begin.
   */
  targetCrossEntropy?(target: TokenTarget, batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /** Of the hidden states that `activationDistance` and `score` speak of; there where a model gives them. */
  readonly hiddenStates?: { readonly layers: number; readonly width: number };

  /**
   * |h - target|^2 / width of a layer's output h at the position that predicts each label token. Absent where a model does not give it:
   * methods that need it (RMU) are refused before they begin.
   */
  activationDistance?(target: ActivationTarget, batch: TokenBatch, options?: Cancellable): Promise<Pass>;

  /**
   * Adds sum_i weights[i] * d(-log p(label_i)) / d(theta) to the gradients in one chunked pass: for weights that are
   * known beforehand. With sampled labels each label is drawn from the model's own distribution at its position.
   *
   * @param weights one per label token, in the batch's order
   * @returns -log p of the labels used, one per label token, in nats
   */
  accumulate(batch: TokenBatch, weights: Float32Array, options?: AccumulateOptions): Promise<Float32Array>;

  /** Figures of every label token without building a graph. */
  score(batch: TokenBatch, options?: ScoreOptions): Promise<TokenScores>;
}

/** What a model may have beside: products with the curvature of its cross-entropy. */
export interface CurvatureProducts {
  /**
   * Adds sum_i weights[i] * J_i^T (diag(p_i) - p_i p_i^T) J_i v to the gradients, over the label tokens i of a batch, with J_i the
   * derivative of token i's logits by the weights and p_i their softmax: the Gauss-Newton matrix of the cross-entropy, which is its
   * Fisher information, times v. Labels say where there are tokens; which they are changes nothing.
   *
   * A model that moves its weights on the way has them back, bit for bit, however the call ends. Frozen weights are not known here:
   * where a caller has some, v is 0 there, and what the gradients get there is the caller's to clear.
   *
   * @param weights one per label token, in the batch's order
   * @param direction v, float32, an element for each of the parameters'
   * @param options.scratch memory like that of `direction` and apart from it, which is overwritten
   * @throws SoulError SOUL_UNSUPPORTED where the weights are not float32
   */
  addGaussNewtonProduct(
    batch: TokenBatch,
    weights: Float32Array,
    direction: FlatBuffer<'f32'>,
    options: CurvatureProductOptions,
  ): Promise<void>;
}

export interface CurvatureProductOptions extends Cancellable {
  readonly scratch: FlatBuffer<'f32'>;
}

/** A fixed model to compare with. Implementations of {@link DifferentiableLM} accept references of their own kind. */
export interface ReferenceLM {
  readonly vocabularySize: number;
}

/** The distribution softmax(logits + shift * onehot(label)). */
export interface TokenTarget {
  /** Whose logits they are: the model's own of the same pass, or a fixed model's. */
  readonly from: 'self' | ReferenceLM;
  /** Added to the label's logit: finite, or -Infinity, with which the label is left out. */
  readonly shift: number;
}

/** Where a hidden state is drawn to. */
export interface ActivationTarget {
  /** Which layer's output, from 0. */
  readonly layer: number;
  /** A vector, one number for each of the state's, or what a fixed model has there. */
  readonly toward: Float32Array | ReferenceLM;
}

export interface AccumulateOptions extends Cancellable {
  /**
   * The batch's own labels (default), or labels sampled from the model, each a function of this seed and of its index among the
   * batch's label tokens.
   */
  labels?: 'given' | { sampledWith: bigint };
}

export interface ScoreOptions extends Cancellable {
  /**
   * Logits are read from the hidden states after this layer, from 0, through the final norm and the head (the logit lens); the last
   * layer by default, whose are the model's own. Of models that have `hiddenStates`.
   */
  readonly layer?: number;
}

/** What of a batch decides how much memory a pass over it takes. */
export interface BatchShape {
  /** Tokens that the model reads: of each sequence those before its last label token. */
  readonly rows: number;
  readonly labels: number;
  /** Rows of each sequence. */
  readonly lengths: readonly number[];
}

/** What of a pass that is pulled back decides how much memory it takes. */
export interface PassShape extends BatchShape {
  /** The layer, from 0, of so many, whose output it ends at; absent: it goes through all of them and the head. */
  readonly hiddenLayer?: (layers: number) => number;
}

/** Bytes that a pass takes at its height, beside the weights and their gradients. */
export interface PassMemory {
  /** Kept from the forward pass until the backward pass has come to it. */
  readonly activations: number;
  /** What one layer's gradient, or a chunk of logits, takes for a moment. */
  readonly work: number;
}

/**
 * What enters a layer's bottleneck over the tokens of a pass: X^T X of its inputs X, each with a 1 behind it, whole and row after row. Of the
 * first product [width + 1, width + 1] of the model's width, of the second of the bottleneck's.
 */
export interface BottleneckInputs {
  readonly down: Float64Array;
  readonly up: Float64Array;
}

/** How a pass is pulled back; of models that say so ({@link DifferentiableLM.keepsPasses}). */
export interface BackwardOptions extends Cancellable {
  /**
   * In place of the batch's own labels those that `accumulate` draws with this seed: weights[i] then counts -log p of the label
   * drawn. Of passes of `nll` alone.
   */
  labels?: { sampledWith: bigint };
  /** Leaves the pass as it is, to be pulled back again. Default false. */
  keep?: boolean;
}

/** Values of one forward pass, one per label token, that can be pulled back once, or more often where it is kept. */
export interface Pass {
  /** One per label token, sequence after sequence. */
  readonly values: Float32Array;
  /** Where each sequence begins in `values`; one more entry than sequences, the last is `values.length`. */
  readonly offsets: Uint32Array;
  /** Adds sum_i weights[i] * d values[i] / d(theta) to the gradients, then releases the pass unless it is kept. */
  backward(weights: Float32Array, options?: BackwardOptions): Promise<void>;
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
