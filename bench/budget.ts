/**
 * How long a benchmark may take altogether.
 *
 * @module
 */

/** Seconds that the whole process may take; what has begun is finished. */
export class Budget {
  readonly #seconds: number;

  constructor(seconds = Number.POSITIVE_INFINITY) {
    this.#seconds = seconds;
  }

  /** Whether nothing new may begin that may take so many seconds. */
  isSpent(mayTake = 0): boolean {
    return performance.now() / 1000 + mayTake >= this.#seconds; // since the process began
  }

  /** Why something was left out. */
  get reason(): string {
    return `the ${this.#seconds} seconds of --budget were over, or too few were left`;
  }
}
