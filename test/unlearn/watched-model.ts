/**
 * A bigram model that counts the calls of its contract and can do something during one of them.
 *
 * @module
 */

import type { AccumulateOptions, DifferentiableLM, Pass, ReferenceLM, TokenScores } from '../../lib/model/contract.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';
import type { BigramLM } from '../model/bigram-lm.ts';

export class WatchedModel implements DifferentiableLM {
  readonly inner: BigramLM;
  readonly parameters: DifferentiableLM['parameters'];
  /** Names of the calls so far. */
  readonly calls: string[] = [];
  /** Called during each call, with its number from 1. */
  during: (call: number) => void = () => {};

  constructor(inner: BigramLM) {
    this.inner = inner;
    this.parameters = inner.parameters;
  }

  async nll(batch: TokenBatch): Promise<Pass> {
    const pass = await this.#watch('nll', () => this.inner.nll(batch));
    return { ...pass, backward: (weights) => this.#watch('backward', () => pass.backward(weights)) };
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
