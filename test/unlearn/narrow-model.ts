/**
 * A bigram model whose values and gradients are bf16, as those of a large model may be.
 *
 * @module
 */

import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { axpy } from '../../lib/core/vector-operations.ts';
import type { AccumulateOptions, DifferentiableLM, Pass, ReferenceLM, TokenScores } from '../../lib/model/contract.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';
import type { BigramLM } from '../model/bigram-lm.ts';

export class NarrowModel implements DifferentiableLM {
  readonly #inner: BigramLM;
  readonly parameters: DifferentiableLM['parameters'];

  private constructor(inner: BigramLM) {
    this.#inner = inner;
    const { values, layout } = inner.parameters;
    const alloc = () => FlatBuffer.alloc(values.length, { dtype: 'bf16' });
    this.parameters = { values: alloc(), gradients: alloc(), layout };
  }

  static async of(inner: BigramLM): Promise<NarrowModel> {
    const model = new NarrowModel(inner.clone());
    await model.parameters.values.copyFrom(inner.parameters.values);
    return model;
  }

  async nll(batch: TokenBatch): Promise<Pass> {
    await this.#fresh();
    const pass = await this.#inner.nll(batch);
    return { ...pass, backward: async (weights) => this.#added(() => pass.backward(weights)) };
  }

  async klTo(reference: ReferenceLM, batch: TokenBatch): Promise<Pass> {
    await this.#fresh();
    const pass = await this.#inner.klTo(reference, batch);
    return { ...pass, backward: async (weights) => this.#added(() => pass.backward(weights)) };
  }

  async accumulate(batch: TokenBatch, weights: Float32Array, options?: AccumulateOptions): Promise<Float32Array> {
    await this.#fresh();
    return this.#added(() => this.#inner.accumulate(batch, weights, options));
  }

  async score(batch: TokenBatch): Promise<TokenScores> {
    await this.#fresh();
    return this.#inner.score(batch);
  }

  async #fresh(): Promise<void> {
    await this.#inner.parameters.values.copyFrom(this.parameters.values);
  }

  async #added<Result>(backward: () => Promise<Result>): Promise<Result> {
    this.#inner.gradients.fill(0);
    const result = await backward();
    await axpy(1, this.#inner.parameters.gradients, this.parameters.gradients);
    return result;
  }
}
