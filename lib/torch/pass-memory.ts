/**
 * What a pass over a batch takes, from a model's shape alone. docs/memory.md explains each term.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import { adaptedModules } from '../model/adapter/adapter-layout.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type { BatchShape, PassMemory, PassShape } from '../model/contract.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import type { ParameterRole } from '../model/parameter-layout.ts';
import { type AttentionKind, attentionKind } from './attention-kind.ts';
import { defaultLogitsMemory } from './defaults.ts';

export interface PassMemoryOptions {
  readonly dtype: WeightDType;
  readonly device: Device;
  readonly checkpointActivations?: boolean;
  /** Of a model whose own weights are frozen. */
  readonly adapter?: AdapterConfig | undefined;
  /** Bytes; as {@link LoadOptions}. */
  readonly logitsMemory?: number;
}

/** What oneDNN keeps for products in bf16: code and buffers for up to 64 shapes, measured. */
const productsMemory = 2 ** 27;

/** The bytes that a pass of this shape takes at its height. */
export function passMemory(config: DecoderConfig, pass: PassShape, options: PassMemoryOptions): PassMemory {
  const { device, dtype, checkpointActivations = false } = options;
  const { logitsMemory = defaultLogitsMemory(device, options.adapter !== undefined) } = options;
  const { labels, hiddenLayer } = pass;
  const layers = Math.min(config.layers, hiddenLayer === undefined ? config.layers : hiddenLayer(config.layers) + 1);
  const size = new LayerSize(config, pass, dtype, attentionKind(config, device, dtype), options.adapter);
  // What comes out of the last norm, or how far it is from a target, and its gradient.
  const always = 2 * labels * size.hidden + size.masks(layers);
  let height = { activations: 0, work: 0 };
  const consider = (activations: number, work: number) => {
    if (activations + work > height.activations + height.work) height = { activations, work };
  };
  let held = always;
  for (let i = 0; i < layers; i++) {
    const isLast = i + 1 === layers;
    const attention = size.attentionGraph();
    const graph = attention + size.mlpGraph(isLast);
    const output = size.output(isLast);
    consider(held + graph + output, size.mlpWork(isLast));
    // The MLP's part is gone by then.
    consider(held + attention + output, size.attentionWork(isLast));
    held += checkpointActivations ? size.input() : graph;
  }
  const row = config.vocabularySize * size.element * (config.logitSoftcap === undefined ? 1 : 2);
  if (hiddenLayer === undefined) {
    consider(held, row * Math.min(labels, Math.max(1, Math.floor(logitsMemory / row))));
  }
  const products = device === 'cpu' && dtype === 'bf16' ? productsMemory : 0;
  return { activations: height.activations, work: height.work + products };
}

/**
 * Positions of attention's blocks, by the length to which their sequences are padded: those of at least half the longest's length
 * come together, as the engine groups them.
 */
function blocks(lengths: readonly number[]): { readonly length: number; readonly positions: number }[] {
  const groups: { length: number; positions: number }[] = [];
  for (const length of lengths.toSorted((a, b) => b - a)) {
    const last = groups.at(-1);
    if (last !== undefined && 2 * length >= last.length) last.positions += last.length;
    else groups.push({ length, positions: length });
  }
  return groups;
}

/** The kinds of projections that have adapters. */
function adaptedRoles(config: DecoderConfig, adapter: AdapterConfig): ReadonlySet<ParameterRole | undefined> {
  return new Set(adaptedModules(config, adapter).map(({ slot }) => slot.role));
}

/** Bytes of one layer. */
class LayerSize {
  readonly element: number;
  /** Of a row. */
  readonly hidden: number;
  readonly #config: DecoderConfig;
  readonly #rows: number;
  readonly #labels: number;
  readonly #blocks: ReturnType<typeof blocks>;
  /** Rows of the blocks, with padding. */
  readonly #padded: number;
  /** Attention by operations that libtorch differentiates itself. */
  readonly #portable: boolean;
  /** Where the weights are frozen, the kinds of projections that have adapters. */
  readonly #adapted: ReadonlySet<ParameterRole | undefined> | undefined;
  /** The width of the bottlenecks behind the MLPs, where there are some. */
  readonly #bottleneck: number | undefined;

  constructor(
    config: DecoderConfig,
    { rows, labels, lengths }: BatchShape,
    dtype: WeightDType,
    attention: AttentionKind,
    adapter: AdapterConfig | undefined,
  ) {
    this.#adapted = adapter && adaptedRoles(config, adapter);
    this.#bottleneck = adapter?.kind === 'unlearning-layers' ? adapter.bottleneck : undefined;
    this.element = dtype === 'f32' ? 4 : 2;
    this.hidden = config.hiddenSize * this.element;
    this.#config = config;
    this.#rows = rows;
    this.#labels = labels;
    this.#blocks = attention === 'packed' ? [] : blocks(lengths);
    this.#padded = this.#blocks.reduce((sum, { positions }) => sum + positions, 0);
    this.#portable = attention === 'portable' || config.attentionSoftcap !== undefined;
  }

  /** What a layer is given. */
  input(): number {
    return this.#rows * this.hidden;
  }

  /** What it gives: the next one's input. */
  output(isLast: boolean): number {
    return this.#after(isLast) * this.hidden;
  }

  /** Masks of attention, which layers of one kind share; of so many layers. */
  masks(layers: number): number {
    const { attention, attentionSoftcap } = this.#config;
    const each = (window: number) =>
      this.#blocks
        .filter(({ length }) => attentionSoftcap !== undefined || length > window)
        .reduce((sum, { length }) => sum + length ** 2 * this.element, 0);
    const windows = new Set(attention.slice(0, layers).map(({ window = Number.POSITIVE_INFINITY }) => window));
    return [...windows].reduce((sum, window) => sum + each(window), 0);
  }

  /** What attention keeps to be pulled back, with the layer's input. */
  attentionGraph(): number {
    const { names, heads } = this.#config;
    const { query, key } = this.#columns();
    // The layer's input, and where its projections train in full the same normalised; queries, keys and values; what attention gives.
    const normalised = this.#keepsNormalised() ? this.hidden : 0;
    let bytes = this.#rows * (this.hidden + normalised + 2 * query + 2 * key);
    // Beside what comes out, what went in: a copy, since queries, keys and values lie beside each other in each row.
    if (names.queryNorm !== undefined) bytes += this.#rows * 2 * query;
    if (names.keyNorm !== undefined) bytes += this.#rows * 2 * key;
    // Log-sum-exps, and the norm's scale.
    bytes += this.#rows * 4 * (heads + 1);
    if (this.#portable) {
      // Keys and values once for each query head, in blocks of sequences.
      bytes += this.#padded * 3 * query - this.#rows * (query + 2 * key);
      // Capped scores, and their softmax in float32 and in the weights' dtype.
      bytes += this.#scores() * (this.element + 4 + (this.element === 2 ? 2 : 0));
    }
    return bytes;
  }

  /** What comes after attention keeps to be pulled back: its projection, the sum and the MLP. */
  mlpGraph(isLast: boolean): number {
    const { gated, names, parallel } = this.#config;
    const { inner, query } = this.#columns();
    let row = (gated ? 2 : 1) * inner + 4;
    // Of the rows that go on, a copy.
    if (isLast) row += query;
    if (names.attentionPostNorm !== undefined) row += this.hidden;
    if (!parallel) row += this.hidden;
    if (names.mlpNorm !== undefined && this.#adapted === undefined) row += this.hidden;
    if (names.mlpPostNorm !== undefined) row += this.hidden;
    // What the bottleneck reads, and what its activation does.
    if (this.#bottleneck !== undefined) row += this.hidden + this.#bottleneck * this.element;
    return this.#after(isLast) * row;
  }

  /** What is held for a moment while the MLP is pulled back. */
  mlpWork(isLast: boolean): number {
    const { inner } = this.#columns();
    // Activated inputs, the gradient of what goes into the last product, those of gate and up; the layer's own gradient.
    return this.#after(isLast) * ((this.#config.gated ? 4 : 2) * inner + this.hidden);
  }

  /** What is held for a moment while attention is pulled back. */
  attentionWork(isLast: boolean): number {
    const { query, key } = this.#columns();
    // Gradients of queries, keys and values side by side, of what attention gives, and the layer's own.
    const packed = this.#rows * (2 * query + 2 * key + this.hidden);
    // Queries, keys, values, results and gradients in blocks, keys and values once for each query head, of one block at a time where
    // libtorch does not differentiate them itself; without blocks, gradients of keys and values for each query head, and those of
    // queries in float32.
    const positions = this.#portable ? this.#padded : Math.max(...this.#blocks.map((block) => block.positions));
    const padded = this.#blocks.length > 0 ? positions * 8 * query : this.#rows * 4 * query;
    // A gradient of scores goes in, another comes out.
    return packed + padded + 2 * this.#scores() * 4 + (isLast ? this.#rows * this.hidden : 0);
  }

  /** Beside frozen weights what a norm gives is computed again, but for what an MLP reads that has no norm of its own. */
  #keepsNormalised(): boolean {
    if (this.#adapted === undefined) return true;
    return this.#config.names.mlpNorm === undefined && this.#adapted.has('mlpInput');
  }

  /** Elements of scores that exist as a whole, as those that are capped do. */
  #scores(): number {
    const { attentionSoftcap, heads } = this.#config;
    if (attentionSoftcap === undefined) return 0;
    return heads * this.#blocks.reduce((sum, { length, positions }) => sum + positions * length, 0);
  }

  /** After the last layer's attention only label tokens go on. */
  #after(isLast: boolean): number {
    return isLast ? this.#labels : this.#rows;
  }

  /** Bytes of a row. */
  #columns(): { readonly query: number; readonly key: number; readonly inner: number } {
    const { heads, keyValueHeads, headSize, intermediateSize } = this.#config;
    const head = headSize * this.element;
    return { query: heads * head, key: keyValueHeads * head, inner: intermediateSize * this.element };
  }
}
