/**
 * How many parts a Hessian diagonal rests on.
 *
 * @module
 */

/**
 * The moving average of estimates as a weighted mean of their parts: with weights w and n parts in an estimate its variance is that
 * of (sum w)^2 / (sum w^2 / n) parts of equal weight.
 */
export class EstimateParts {
  #weights = 0;
  #squares = 0;

  /** An estimate of `parts` parts that sets the diagonal, or is averaged in with `1 - beta2`. */
  add(parts: number, prime: boolean, beta2: number): void {
    const [kept, share] = prime ? [0, 1] : [beta2, 1 - beta2];
    this.#weights = kept * this.#weights + share;
    this.#squares = kept ** 2 * this.#squares + share ** 2 / parts;
  }

  /** The sums of the weights, and of their squares over the parts: all that it knows. */
  get sums(): { readonly weights: number; readonly squares: number } {
    return { weights: this.#weights, squares: this.#squares };
  }

  /** From {@link sums}. */
  static of({ weights, squares }: EstimateParts['sums']): EstimateParts {
    const parts = new EstimateParts();
    parts.#weights = weights;
    parts.#squares = squares;
    return parts;
  }

  /** 0 without an estimate. */
  get effective(): number {
    return this.#squares > 0 ? this.#weights ** 2 / this.#squares : 0;
  }
}
