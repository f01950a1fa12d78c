/**
 * The calls of native/torch, as TypeScript sees them.
 *
 * @module
 */

import type { NativeExternal, NativeMemory } from '../core/addon.ts';
import type { AttentionKind } from './attention-kind.ts';

/** Where a norm's weights begin in the flat buffers. */
export interface NativeNorm {
  weight: number;
  /** Of a layer norm alone. */
  bias?: number;
}

/** Columns `first` on of a projection's output get scale * (x A^T) B^T beside. */
export interface NativeAdapter {
  /** Where A [rank, in] and B [columns, rank] begin in the flat buffers of the adapters. */
  a: number;
  b: number;
  rank: number;
  scale: number;
  first: number;
  columns: number;
}

export interface NativeProjection {
  /** Where it begins in the flat buffers: [columns of all parts, in], or where it is transposed the other way round. */
  weight: number;
  bias?: number;
  transposed: boolean;
  /** Columns of each part of the output. */
  parts: readonly number[];
  /** 0: parts follow each other; else they take turns in each of so many heads. */
  interleavedHeads: number;
  /** At most one for each part, in order. */
  adapters?: readonly NativeAdapter[];
}

/** A bottleneck behind an MLP, y + up(activation(down(y) + downBias)) + upBias; where each begins in the flat buffers of the adapters. */
export interface NativeBottleneck {
  width: number;
  activation: NativeModelSpecification['activation'];
  /** [width, hidden]. */
  down: number;
  downBias: number;
  /** [hidden, width]. */
  up: number;
  upBias: number;
}

/** Slots that a family does not have are absent. */
export interface NativeLayer {
  attentionNorm: NativeNorm;
  attentionInput: readonly NativeProjection[];
  queryNorm?: NativeNorm;
  keyNorm?: NativeNorm;
  /** Index of `inverseFrequencies`; -1: none. */
  rotary: number;
  /** Tokens that a token sees, itself with them; 0: all before it. */
  window: number;
  scale: number;
  attentionOutput: readonly NativeProjection[];
  attentionPostNorm?: NativeNorm;
  mlpNorm?: NativeNorm;
  mlpInput: readonly NativeProjection[];
  mlpOutput: readonly NativeProjection[];
  mlpBottleneck?: NativeBottleneck;
  mlpPostNorm?: NativeNorm;
}

/** The shape of a decoder and where its weights lie. */
export interface NativeModelSpecification {
  vocabulary: number;
  hidden: number;
  intermediate: number;
  heads: number;
  keyValueHeads: number;
  headSize: number;
  maxPositions: number;
  norm: 'rms' | 'rms+1' | 'layer';
  epsilon: number;
  activation: 'silu' | 'gelu' | 'gelu_tanh' | 'relu';
  gated: boolean;
  parallel: boolean;
  /** Of attention scores; 0: none. */
  softcap: number;
  /** Where the embedding begins in the flat buffers. */
  embedding: number;
  embeddingScale: number;
  /** Where a learned embedding of positions begins; absent with the two that follow. */
  positions?: number;
  positionRows?: number;
  positionOffset?: number;
  inverseFrequencies: readonly Float32Array[];
  layers: readonly NativeLayer[];
  finalNorm: NativeNorm;
  head: { weight: number; bias?: number; softcap: number };
  attention: AttentionKind;
  /** A pass keeps the inputs of layers alone, and computes each layer again when it is pulled back. */
  checkpointActivations: boolean;
  /** 0: libtorch's own choice. */
  threads: number;
  /** Bytes. */
  logitsMemory: number;
}

/** Tokens, offsets and labelPositions of a batch. */
export type NativeBatch = [tokens: Int32Array, offsets: Uint32Array, labelPositions: Uint32Array];

/** One element on a SharedArrayBuffer, set to anything but 0 when the call is to end with SOUL_CANCELLED. */
export type CancelFlag = Int32Array | undefined;

/** Promises settle in the order of the calls; arguments are checked and copied before a call returns. */
export interface NativeEngine {
  readonly torchVersion: string;
  init(addonInterface: NativeExternal): void;
  /** Loads shared libraries, in this order and for the whole process; before any model is made. */
  loadLibraries(files: readonly string[]): void;
  /**
   * On the device and in the dtype (`f32` or `bf16`) of values and gradients, which are used in place. Weights beside which adapters stand
   * are frozen and have no gradients.
   */
  createModel(
    specification: NativeModelSpecification,
    values: NativeMemory,
    gradients: NativeMemory | undefined,
    adapterValues?: NativeMemory,
    adapterGradients?: NativeMemory,
  ): NativeExternal;
  releaseModel(model: NativeExternal): Promise<void> | undefined;
  /** Writes frozen weights with their adapters folded in to memory like theirs and apart from it. */
  merge(model: NativeExternal, target: NativeMemory, cancelled?: CancelFlag): Promise<void>;
  nll(
    model: NativeExternal,
    ...batch: [...NativeBatch, cancelled?: CancelFlag]
  ): Promise<{ pass: NativeExternal; values: Float32Array }>;
  divergence(
    model: NativeExternal,
    reference: NativeExternal,
    ...batch: [...NativeBatch, cancelled?: CancelFlag]
  ): Promise<{ pass: NativeExternal; values: Float32Array }>;
  /** Of layer `layer`, from 0; toward a vector of the model's width, or the states of another model. */
  activation(
    model: NativeExternal,
    layer: number,
    toward: Float32Array | NativeExternal,
    ...batch: [...NativeBatch, cancelled?: CancelFlag]
  ): Promise<{ pass: NativeExternal; values: Float32Array }>;
  /** Without a reference targets are the model's own. */
  targetCrossEntropy(
    model: NativeExternal,
    reference: NativeExternal | undefined,
    shift: number,
    ...batch: [...NativeBatch, cancelled?: CancelFlag]
  ): Promise<{ pass: NativeExternal; values: Float32Array }>;
  /** The pass is spent unless it is to be kept. With a seed, labels are drawn as `accumulate` draws them. */
  backward(
    pass: NativeExternal,
    weights: Float32Array,
    seed: bigint | undefined,
    keep: boolean,
    cancelled?: CancelFlag,
  ): Promise<void>;
  releasePass(pass: NativeExternal): Promise<void> | undefined;
  accumulate(
    model: NativeExternal,
    tokens: Int32Array,
    offsets: Uint32Array,
    labelPositions: Uint32Array,
    weights: Float32Array,
    seed: bigint | undefined,
    cancelled?: CancelFlag,
  ): Promise<Float32Array>;
  /**
   * Adds the Gauss-Newton product to the gradients: direction and scratch are float32, of the weights' length and apart from them;
   * `change` is the share of their length by which hidden states are moved.
   */
  gaussNewton(
    model: NativeExternal,
    tokens: Int32Array,
    offsets: Uint32Array,
    labelPositions: Uint32Array,
    weights: Float32Array,
    direction: NativeMemory,
    scratch: NativeMemory,
    change: number,
    cancelled?: CancelFlag,
  ): Promise<void>;
  /**
   * Of a model with bottlenecks: for each layer the Gram matrices of what enters its first product and its second, whole, each input with a 1
   * behind it.
   */
  bottleneckInputs(model: NativeExternal, ...batch: [...NativeBatch, cancelled?: CancelFlag]): Promise<Float64Array[]>;
  /** By the hidden states after layer `layer`, from 0. */
  score(
    model: NativeExternal,
    ...batch: [...NativeBatch, layer: number, cancelled?: CancelFlag]
  ): Promise<{ logProbability: Float32Array; isArgmax: Uint8Array; mean: Float32Array; variance: Float32Array }>;
  generate(
    model: NativeExternal,
    tokens: Int32Array,
    offsets: Uint32Array,
    stopTokens: Int32Array,
    seeds: BigUint64Array,
    options: { maxNewTokens: number; temperature: number; topP: number },
    cancelled?: CancelFlag,
  ): Promise<Int32Array[]>;
}
