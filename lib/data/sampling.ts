/**
 * Which examples go into which step, as a function of (seed, purpose, step).
 *
 * Nothing here has a state: a run that starts again at step s draws what it would have drawn.
 *
 * @module
 */

import { checkInteger, checkSeed } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { type RandomStream, randomStream } from '../core/random.ts';

export interface BatchSamplerOptions {
  /** How many examples there are. */
  size: number;
  /** How many of them a batch takes; a batch of more than `size` is the whole set. */
  batchSize: number;
  seed: bigint;
  /** Names the stream of draws, for instance `'forget order'`. */
  purpose: string;
}

/** Batches of a data set in epochs, each in an order of its own; the last batch of an epoch may be smaller. */
export class BatchSampler {
  readonly size: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly #stream: RandomStream;
  #latest: { epoch: number; order: Uint32Array } | undefined;

  constructor(options: BatchSamplerOptions) {
    checkNames('options', options, ['size', 'batchSize', 'seed', 'purpose']);
    const { size, batchSize, seed, purpose } = options;
    checkInteger('size', size);
    checkInteger('batchSize', batchSize);
    checkSeed('seed', seed);
    this.size = size;
    this.batchSize = Math.min(batchSize, size);
    this.stepsPerEpoch = Math.ceil(size / this.batchSize);
    this.#stream = randomStream(seed, purpose);
  }

  /** The epoch that `step`, from 0, belongs to. */
  epochOf(step: number): number {
    return Math.floor(checkInteger('step', step, { low: 0 }) / this.stepsPerEpoch);
  }

  /** Every index once, in the order of this epoch. */
  epochOrder(epoch: number): Uint32Array {
    if (this.#latest?.epoch !== epoch) {
      this.#latest = { epoch, order: this.#stream.permutation(this.size, checkInteger('epoch', epoch, { low: 0 })) };
    }
    return this.#latest.order.slice();
  }

  /** The indices of `step`, from 0 and without end. */
  indices(step: number): Uint32Array {
    const start = (checkInteger('step', step, { low: 0 }) % this.stepsPerEpoch) * this.batchSize;
    return this.epochOrder(this.epochOf(step)).subarray(start, start + this.batchSize);
  }
}

export interface PartnerSamplerOptions {
  /** How many partners there are to choose from. */
  size: number;
  /** `fresh`: another choice in each epoch; `fixed`: an example keeps its partner (what TOFU's code does). */
  pairing: 'fresh' | 'fixed';
  seed: bigint;
  /** Names the stream of draws, for instance `'retain partner'` or `'refusal'`. */
  purpose: string;
}

/** The partner of each forget example: a retain example, or a refusal. */
export class PartnerSampler {
  readonly #options: PartnerSamplerOptions;
  readonly #stream: RandomStream;

  constructor(options: PartnerSamplerOptions) {
    checkNames('options', options, ['size', 'pairing', 'seed', 'purpose']);
    checkInteger('size', options.size);
    if (options.pairing !== 'fresh' && options.pairing !== 'fixed') {
      throw invalidArgument('pairing', "'fresh' or 'fixed'", options.pairing);
    }
    checkSeed('seed', options.seed);
    this.#options = { ...options };
    this.#stream = randomStream(options.seed, options.purpose);
  }

  /** The partner of example `index` in `epoch`, from 0 to `size - 1`. */
  partner(epoch: number, index: number): number {
    checkInteger('epoch', epoch, { low: 0 });
    checkInteger('index', index, { low: 0 });
    const { size, pairing } = this.#options;
    return this.#stream.integer(size, pairing === 'fixed' ? 0 : epoch, index);
  }
}
