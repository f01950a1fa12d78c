/**
 * The calls of native/torch, as TypeScript sees them.
 *
 * @module
 */

import type { NativeExternal, NativeMemory } from '../core/addon.ts';

/** The shape of a decoder and where its weights lie. */
export interface NativeModelSpecification {
  vocabulary: number;
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headSize: number;
  maxPositions: number;
  epsilon: number;
  tied: boolean;
  attentionBias: boolean;
  mlpBias: boolean;
  /** On the CPU too attention as it is on other devices; they have no other. */
  portableAttention: boolean;
  /** First element of each named weight in the flat buffers. */
  offsets: Record<string, number>;
  /** 0: libtorch's own choice. */
  threads: number;
  /** Bytes. */
  logitsMemory: number;
}

/** Tokens, offsets and labelsFrom of a batch. */
export type NativeBatch = [tokens: Int32Array, offsets: Uint32Array, labelsFrom: Uint32Array];

/** Promises settle in the order of the calls; arguments are checked and copied before a call returns. */
export interface NativeEngine {
  readonly torchVersion: string;
  init(addonInterface: NativeExternal): void;
  /** Loads shared libraries, in this order and for the whole process; before any model is made. */
  loadLibraries(files: readonly string[]): void;
  /** On the device and in the dtype (`f32` or `bf16`) of values and gradients, which are used in place. */
  createModel(
    specification: NativeModelSpecification,
    values: NativeMemory,
    gradients: NativeMemory,
    inverseFrequencies: Float32Array,
  ): NativeExternal;
  releaseModel(model: NativeExternal): Promise<void> | undefined;
  nll(model: NativeExternal, ...batch: NativeBatch): Promise<{ pass: NativeExternal; values: Float32Array }>;
  divergence(
    model: NativeExternal,
    reference: NativeExternal,
    ...batch: NativeBatch
  ): Promise<{ pass: NativeExternal; values: Float32Array }>;
  backward(pass: NativeExternal, weights: Float32Array): Promise<void>;
  releasePass(pass: NativeExternal): Promise<void> | undefined;
  accumulate(
    model: NativeExternal,
    tokens: Int32Array,
    offsets: Uint32Array,
    labelsFrom: Uint32Array,
    weights: Float32Array,
    seed: bigint | undefined,
  ): Promise<Float32Array>;
  score(
    model: NativeExternal,
    ...batch: NativeBatch
  ): Promise<{ logProbability: Float32Array; isArgmax: Uint8Array; mean: Float32Array; variance: Float32Array }>;
  generate(
    model: NativeExternal,
    tokens: Int32Array,
    offsets: Uint32Array,
    stopTokens: Int32Array,
    seeds: BigUint64Array,
    options: { maxNewTokens: number; temperature: number; topP: number },
  ): Promise<Int32Array[]>;
}
