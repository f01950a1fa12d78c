/**
 * What a rho that is set from a fraction rests on: when it is set, and from an estimate of how many parts.
 *
 * @module
 */

import { checkNumber } from '../core/checks.ts';
import { EstimateParts } from './estimate-parts.ts';

/** From fewer parts rho comes out too large by a factor that matters; from 16 by about a half, from 64 by little. */
const fewestParts = 16;

/** Kept in the order in which calls are made, awaited or not. */
export class RhoBasis {
  readonly #options: { watched: boolean; follow: boolean; beta2: number };
  #parts = new EstimateParts();
  /** An estimate was posted since the last step. */
  #estimated = false;
  /** Parts behind the present rho; undefined before it is set. */
  #rhoParts: number | undefined;

  /**
   * @param options watched: rho is set from a fraction and estimates of the caller's; follow: anew after each estimate; beta2: decay
   *   of the moving average of estimates
   */
  constructor(options: { watched: boolean; follow: boolean; beta2: number }) {
    this.#options = options;
  }

  addEstimate(parts: number, prime: boolean): void {
    this.#parts.add(parts, prime, this.#options.beta2);
    this.#estimated = true;
  }

  /** Whether the step that is about to be posted sets rho anew; `estimates`: it takes an estimate itself. */
  findsRho(estimates: boolean): boolean {
    return this.#options.follow && (this.#estimated || estimates);
  }

  /**
   * A step was posted: the first after an estimate sets rho, as does one that finds it anew; others keep it.
   *
   * @returns what is wrong with the estimate that rho rests on, undefined where nothing is known to be
   */
  addStep(findsRho: boolean): string | undefined {
    this.#estimated = false;
    if (!this.#options.watched) return undefined;
    // A step without an estimate is refused, and sets nothing.
    const { effective } = this.#parts;
    if (effective > 0 && (findsRho || this.#rhoParts === undefined)) this.#rhoParts = effective;
    if (this.#rhoParts === undefined || this.#rhoParts >= fewestParts) return undefined;
    const parts = Math.round(this.#rhoParts);
    return (
      `rho was set from an estimate of ${parts} part${parts === 1 ? '' : 's'}: its noise makes rho many times too large, ` +
      'and steps too small; estimate the Hessian from 64 parts or more before the first step (estimateHessian)'
    );
  }

  /** The step that was to find rho was skipped, or failed. */
  findAtNextStep(): void {
    this.#estimated = true;
  }

  /** All that it knows, in numbers. */
  counters(): Record<string, number> {
    const { weights, squares } = this.#parts.sums;
    return {
      estimateWeights: weights,
      estimateSquares: squares,
      estimatePending: Number(this.#estimated),
      rhoParts: this.#rhoParts ?? 0,
    };
  }

  /**
   * Checks {@link counters}; what it returns puts them in place.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT
   */
  resumption(counters: Readonly<Record<string, number>>): () => void {
    const at = (name: string) => checkNumber(`counters.${name}`, counters[name]);
    const parts = EstimateParts.of({ weights: at('estimateWeights'), squares: at('estimateSquares') });
    const [pending, rhoParts] = [at('estimatePending'), at('rhoParts')];
    return () => {
      this.#parts = parts;
      this.#estimated = pending !== 0;
      this.#rhoParts = rhoParts === 0 ? undefined : rhoParts;
    };
  }

  /** For a state file. */
  metadata(): Record<string, string> {
    return {
      ...(this.#parts.effective > 0 ? { parts: String(this.#parts.effective) } : {}),
      ...(this.#rhoParts === undefined ? {} : { rho_parts: String(this.#rhoParts) }),
      ...(this.#options.follow && this.#estimated ? { estimate_pending: 'true' } : {}),
    };
  }

  /** From a state file; of another library's estimate nobody knows of how many parts it was made. */
  restore(metadata: Readonly<Record<string, string>>): void {
    const count = (text: string | undefined) => {
      const parts = Number(text);
      return parts >= 1 && Number.isFinite(parts) ? parts : fewestParts;
    };
    this.#parts = new EstimateParts();
    this.#parts.add(count(metadata.parts), true, this.#options.beta2);
    this.#rhoParts = metadata.rho === undefined ? undefined : count(metadata.rho_parts);
    this.#estimated = metadata.estimate_pending === 'true';
  }
}
