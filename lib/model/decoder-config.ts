/**
 * What is to be known of a decoder to run it: its sizes, which of the parts that decoders are made of it has, and the names
 * of its weights. A family (lib/model/families) makes one of a config.json; nothing else knows a family.
 *
 * @module
 */

import type { Rope } from './rope.ts';

/**
 * `rms`: x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019); `rms+1`: the same with 1 + weight (Gemma); `layer`: with
 * mean and bias (Ba et al. 2016).
 */
export type NormKind = 'rms' | 'rms+1' | 'layer';

/** `gelu` is exact, `gelu_tanh` its approximation by tanh. */
export type Activation = 'silu' | 'gelu' | 'gelu_tanh' | 'relu';

/** A matrix product with a stored weight. */
export interface StoredProjection {
  /** Without `.weight` and `.bias`. */
  readonly name: string;
  readonly bias?: boolean;
  /** The file has the weight as [in, out]. */
  readonly transposed?: boolean;
  /** Queries, keys and values take turns head by head; else they follow each other. */
  readonly interleaved?: boolean;
}

/** Names of weights, all but the head's behind `prefix`, those of layers behind `layer` too, whose `{i}` is the layer. */
export interface DecoderNames {
  /** What transformers allows to be absent in a file. */
  readonly prefix: string;
  readonly embedding: string;
  /** A learned embedding of positions. */
  readonly positions?: string;
  readonly finalNorm: string;
  readonly head: StoredProjection;
  readonly layer: string;
  readonly attentionNorm: string;
  /** Queries, keys and values, each by itself or in one. */
  readonly attentionInput: readonly StoredProjection[];
  /** Over each head of queries and keys. */
  readonly queryNorm?: string;
  readonly keyNorm?: string;
  readonly attentionOutput: StoredProjection;
  /** Of attention's output, before it is added. */
  readonly attentionPostNorm?: string;
  /** Absent where a parallel layer's MLP reads what its attention reads. */
  readonly mlpNorm?: string;
  /** Gate and up of a gated MLP, each by itself or in one; else the one projection into the MLP. */
  readonly mlpInput: readonly StoredProjection[];
  readonly mlpOutput: StoredProjection;
  readonly mlpPostNorm?: string;
  /** Tensors that files carry though the model computes them: causal masks and the like. */
  readonly computed?: RegExp;
}

/** What attention of one layer has of its own. */
export interface LayerAttention {
  /** Its rotary embedding, an index of `ropes`; absent where it has none. */
  readonly rope?: number;
  /** Tokens that a token sees, itself with them; absent: all before it. */
  readonly window?: number;
  /** Of the products of queries and keys. */
  readonly scale: number;
}

/** A decoder, of whichever family. */
export interface DecoderConfig {
  /** `model_type` of transformers. */
  readonly modelType: string;
  /** Its class in transformers. */
  readonly architecture: string;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads; a multiple of `keyValueHeads`. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Elements of one head. */
  readonly headSize: number;
  /** Longest sequence, in tokens. */
  readonly maxPositions: number;
  readonly norm: { readonly kind: NormKind; readonly epsilon: number };
  readonly activation: Activation;
  /** The MLP is down(activation(gate(x)) * up(x)); else down(activation(up(x))). */
  readonly gated: boolean;
  /** Attention and MLP of a layer both read the layer's input, and are added together. */
  readonly parallel: boolean;
  /** Different rotary embeddings of layers; empty where positions are learned. */
  readonly ropes: readonly Rope[];
  /** Row of the learned embedding of positions that belongs to a sequence's first token. */
  readonly positionOffset: number;
  /** One for each layer. */
  readonly attention: readonly LayerAttention[];
  /** Attention scores s become c * tanh(s / c). */
  readonly attentionSoftcap?: number;
  /** Logits likewise. */
  readonly logitSoftcap?: number;
  /** Embeddings are multiplied by it. */
  readonly embeddingScale: number;
  /** The output layer is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of random weights. */
  readonly initializerRange: number;
  readonly names: DecoderNames;
  /** The content of config.json that this was read from. */
  readonly source: Readonly<Record<string, unknown>>;
  /** What config.json says beside that when the model is written: what other versions of transformers look for. */
  readonly written: Readonly<Record<string, unknown>>;
}
