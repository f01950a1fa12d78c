/**
 * A bigram model that counts the calls of its contract and can do something during one of them.
 *
 * @module
 */

import type {
  AccumulateOptions,
  BackwardOptions,
  DifferentiableLM,
  Pass,
  ReferenceLM,
  TokenScores,
} from '../../lib/model/contract.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';
import type { BigramLM } from '../model/bigram-lm.ts';

export class WatchedModel implements DifferentiableLM {
  readonly inner: BigramLM;
  readonly keepsPasses: boolean;
  readonly parameters: DifferentiableLM['parameters'];
  /** Names of the calls so far. */
  readonly calls: string[] = [];
  /** Passes of nll that were neither pulled back for the last time nor released. */
  readonly held = new Set<Pass>();
  /** Called during each call, with its number from 1. */
  during: (call: number) => void = () => {};

  constructor(inner: BigramLM, { keepsPasses = false }: { keepsPasses?: boolean } = {}) {
    this.inner = inner;
    this.keepsPasses = keepsPasses;
    this.parameters = inner.parameters;
  }

  async nll(batch: TokenBatch): Promise<Pass> {
    const pass = await this.#watch('nll', () => this.inner.nll(batch));
    this.held.add(pass);
    const backward = async (weights: Float32Array, options: BackwardOptions = {}) => {
      if (!options.keep) this.held.delete(pass);
      return this.#watch(options.keep ? 'backward, kept' : 'backward', () => pass.backward(weights, options));
    };
    const release = () => {
      this.held.delete(pass);
      pass.release();
    };
    return { ...pass, backward, release };
  }

  klTo(reference: ReferenceLM, batch: TokenBatch): Promise<Pass> {
    return this.#watch('klTo', () => this.inner.klTo(reference, batch));
  }

  accumulate(batch: TokenBatch, weights: Float32Array, options?: AccumulateOptions): Promise<Float32Array> {
    return this.#watch('accumulate', () => this.inner.accumulate(batch, weights, options));
  }

  score(batch: TokenBatch): Promise<TokenScores> {
    return this.#watch('score', () => this.inner.score(batch));
  }

  async #watch<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    this.calls.push(name);
    this.during(this.calls.length);
    return work();
  }
}
