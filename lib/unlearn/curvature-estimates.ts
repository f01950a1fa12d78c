/**
 * The curvature estimates of a descent: which are due, and which ride on the retain term's own passes.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { batchParts } from '../model/batch-parts.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import {
  type CurvatureEstimate,
  type CurvaturePlan,
  constantCurvature,
  curvaturePlan,
  estimateCurvature,
} from './curvature.ts';
import { type CheckedDescent, termsAt } from './descent-options.ts';
import { isFresh } from './fresh-factors.ts';
import { type Ride, rideOn } from './ride.ts';
import { retainSet, type Source } from './source.ts';

/** An optimizer that holds an estimate already goes on with it. */
export class CurvatureEstimates {
  readonly #run: CheckedDescent;
  readonly #sources: readonly Source[];
  readonly #primed: boolean;
  readonly #plan: CurvaturePlan | undefined;
  /** The term that estimates may ride on. */
  readonly #carrier: number | undefined;
  /** Whether A has no curvature yet, since B was 0 in all estimates. */
  #awaitsB: boolean;
  /** Whether the next step's estimate is the first with another B. */
  #primesA = false;

  /**
   * @param sources those of the run's terms
   * @param primed whether the optimizer held an estimate before the descent
   * @param awaitsB whether the model has adapters, and every B was 0 in the estimates so far
   */
  constructor(run: CheckedDescent, sources: readonly Source[], primed: boolean, awaitsB: boolean) {
    this.#run = run;
    this.#sources = sources;
    this.#primed = primed;
    // A constant is there from the first step on, for A too.
    this.#awaitsB = awaitsB && run.curvature !== undefined && run.curvature.options.labels !== 'none';
    const { curvature } = run;
    if (curvature === undefined) return;
    const { options, data } = curvature;
    const continued = this.#primed ? { ...options, primingChunks: options.chunks } : options;
    this.#plan = curvaturePlan(continued, data, run.input.sets, run.seed);
    this.#carrier = carrierOf(run);
  }

  /**
   * To be called before each step. Of fresh adapters A has no curvature while B is 0, and a step without curvature is as long as can be: A
   * is held where it is, and the first estimate with another B is made at once, and primes.
   *
   * @returns whether A is to be held
   */
  async begin(): Promise<boolean> {
    this.#primesA = false;
    if (!this.#awaitsB || (await isFresh(this.#run.model))) return this.#awaitsB;
    this.#awaitsB = false;
    this.#primesA = true;
    return false;
  }

  get awaitsB(): boolean {
    return this.#awaitsB;
  }

  /** The index of the term whose passes carry the estimate before a step; undefined where none is due, or it has passes of its own. */
  carrierAt(step: number): number | undefined {
    // The estimate that primes, on which rho and every step rest, is made from more than a batch.
    if (this.#carrier === undefined || !this.#isDue(step) || this.#primes(step)) return undefined;
    if (!termsAt(this.#run, step).includes(this.#carrier)) return undefined;
    const { draws, microBatchSize, batchTokens, curvature } = this.#run;
    const { chunks, chunkSize } = curvature!.options;
    const lengths = draws.sequences(this.#sources[this.#carrier]!, step).map(({ tokens }) => [tokens.length]);
    // A small batch, an epoch's last for one, makes a worse estimate than is asked for.
    if (Math.ceil(lengths.length / chunkSize) < chunks) return undefined;
    const parts = batchParts(lengths, { examples: microBatchSize, tokens: batchTokens });
    return parts.length === 1 ? this.#carrier : undefined;
  }

  /** Makes the estimate that is due before a step from passes of its own. */
  async make(step: number, cancellable: Cancellable): Promise<CurvatureEstimate | undefined> {
    if (!this.#isDue(step)) return undefined;
    const { optimizer } = this.#run.curvature!;
    if (this.#plan!.labels === 'none') return constantCurvature(this.#run.model, optimizer);
    return estimateCurvature(this.#run.model, optimizer, this.#plan!.chunksAt(step, this.#primes(step)), {
      prime: this.#primes(step),
      ...this.#labels(step),
      ...cancellable,
    });
  }

  /** Makes it from passes over the carrier's sequences of this step, which are still to be pulled back for the term. */
  async ride(step: number, sequences: readonly TokenSequence[], cancellable: Cancellable): Promise<Ride> {
    const { optimizer, options } = this.#run.curvature!;
    return rideOn(this.#run.model, optimizer, sequences, {
      chunkSize: options.chunkSize,
      ...this.#labels(step),
      ...cancellable,
    });
  }

  #isDue(step: number): boolean {
    return this.#plan !== undefined && (this.#primesA || step % this.#plan.every === 0);
  }

  #primes(step: number): boolean {
    return this.#primesA || (step === 0 && !this.#primed);
  }

  #labels(step: number): { labelSeed?: (chunk: number) => bigint } {
    if (this.#plan!.labels === 'given') return {};
    return { labelSeed: (chunk) => this.#run.draws.labelSeed(step, chunk) };
  }
}

/** The retain term of a run whose estimates are of the retain set, and whose model can be pulled back twice. */
function carrierOf({ curvature, model, hooks, terms }: CheckedDescent): number | undefined {
  if (curvature?.options.source !== 'auto' || curvature.options.labels === 'none') return undefined;
  if (curvature.data !== 'retain' || model.keepsPasses !== true) return undefined;
  // A hook may move the weights before it has a term pulled back, and a pass is of the weights that it met.
  if (hooks.aroundTerm) return undefined;
  const index = terms.findIndex(({ source, quantity = 'nll' }) => source === retainSet && quantity === 'nll');
  return index < 0 ? undefined : index;
}
