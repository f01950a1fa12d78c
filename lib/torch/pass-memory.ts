/**
 * What a pass over a batch takes, from a model's shape alone. docs/memory.md explains each term.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type { BatchShape, PassMemory } from '../model/contract.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { defaultLogitsMemory } from './defaults.ts';

export interface PassMemoryOptions {
  readonly dtype: WeightDType;
  readonly device: Device;
  readonly checkpointActivations?: boolean;
  /** Bytes; as {@link LoadOptions}. */
  readonly logitsMemory?: number;
}

/** What oneDNN keeps for products in bf16: code and buffers for up to 64 shapes, measured. */
const productsMemory = 2 ** 27;

/** The bytes that a pass over a batch of this shape takes at its height. */
export function passMemory(config: DecoderConfig, batch: BatchShape, options: PassMemoryOptions): PassMemory {
  const { device, dtype, checkpointActivations = false } = options;
  const { logitsMemory = defaultLogitsMemory(device) } = options;
  const size = new LayerSize(config, dtype, device !== 'cpu');
  const graphs = config.attention.map((_, i) => size.graph(batch, i + 1 === config.layers));
  const sum = graphs.reduce((total, bytes) => total + bytes, 0);
  const whole = checkpointActivations
    ? config.layers * size.input(batch) + Math.max(...graphs) - size.input(batch)
    : sum;
  const row = config.vocabularySize * size.element * (config.logitSoftcap === undefined ? 1 : 2);
  const rows = Math.min(batch.labels, Math.max(1, Math.floor(logitsMemory / row)));
  const finals = 2 * batch.labels * config.hiddenSize * size.element;
  const products = device === 'cpu' && dtype === 'bf16' ? productsMemory : 0;
  return { activations: whole + finals, work: Math.max(rows * row, size.work(batch)) + products };
}

/** Bytes of one layer. */
class LayerSize {
  readonly element: number;
  readonly #config: DecoderConfig;
  readonly #portable: boolean;

  constructor(config: DecoderConfig, dtype: WeightDType, onDevice: boolean) {
    this.#config = config;
    this.element = dtype === 'f32' ? 4 : 2;
    this.#portable = onDevice || config.attentionSoftcap !== undefined;
  }

  /** What a layer is given. */
  input({ rows }: BatchShape): number {
    return rows * this.#config.hiddenSize * this.element;
  }

  /** All that a layer keeps to be pulled back; after the last one's attention only label tokens go on. */
  graph(batch: BatchShape, isLast: boolean): number {
    return batch.rows * this.#attentionRow(batch) + (isLast ? batch.labels : batch.rows) * this.#mlpRow();
  }

  /** What is held for a moment while a layer is pulled back: of attention or of the MLP, whichever is more. */
  work({ rows }: BatchShape): number {
    const { hiddenSize, intermediateSize, heads, keyValueHeads, headSize, gated } = this.#config;
    const query = heads * headSize;
    const attention = 9 * query + 2 * keyValueHeads * headSize;
    const mlp = (gated ? 4 : 3) * intermediateSize;
    return rows * (Math.max(attention, mlp) + 3 * hiddenSize) * this.element;
  }

  #attentionRow({ longest }: BatchShape): number {
    const { hiddenSize, heads, keyValueHeads, headSize, names } = this.#config;
    const query = heads * headSize;
    const key = keyValueHeads * headSize;
    // The layer's input, normalised; queries, keys and values; what attention gives.
    let columns = 2 * hiddenSize + 2 * query + 2 * key;
    // Beside what comes out, what went in: a copy, since queries, keys and values lie beside each other in each row.
    if (names.queryNorm !== undefined) columns += 2 * query;
    if (names.keyNorm !== undefined) columns += 2 * key;
    if (names.attentionPostNorm !== undefined) columns += hiddenSize;
    // Log-sum-exps, and the norm's scale.
    let bytes = columns * this.element + 4 * (heads + 1);
    if (this.#portable) {
      // Keys and values once for each query head, in blocks of sequences.
      bytes += (3 * query - query - 2 * key) * this.element;
      if (this.#config.attentionSoftcap !== undefined) {
        // Capped scores, and their softmax in float32 and in the weights' dtype.
        bytes += heads * longest * (this.element + 4 + (this.element === 2 ? 2 : 0));
      }
    }
    return bytes;
  }

  #mlpRow(): number {
    const { hiddenSize, intermediateSize, gated, parallel, names } = this.#config;
    let columns = (gated ? 2 : 1) * intermediateSize;
    if (!parallel) columns += hiddenSize;
    if (names.mlpNorm !== undefined) columns += hiddenSize;
    if (names.mlpPostNorm !== undefined) columns += hiddenSize;
    return columns * this.element + 4;
  }
}
