/**
 * Two ways to end a run: at once, and in order.
 *
 * @module
 */

/** What ends work at once, and whether a run is to end in order at its next rest. */
export class Stopping {
  readonly #controller = new AbortController();
  readonly #asked = new AbortController();
  readonly #forget: (() => void)[] = [];
  #isOrderly = false;
  #request: { readonly reason: unknown } | undefined;

  /**
   * @param cancel ends work at once
   * @param stop too, unless the run says that it will come to a rest soon
   */
  constructor(cancel: AbortSignal | undefined, stop: AbortSignal | undefined) {
    this.#on(cancel, (reason) => {
      this.#controller.abort(reason);
      this.#asked.abort(reason);
    });
    this.#on(stop, (reason) => {
      this.#asked.abort(reason);
      if (this.#isOrderly) this.#request = { reason };
      else this.#controller.abort(reason);
    });
  }

  /** Ends work at once. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Fires as soon as the run is to end in either way: ends work that can be left out. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** Why the run is to end at its next rest; undefined while it is not. */
  get request(): { readonly reason: unknown } | undefined {
    return this.#request;
  }

  /** Whether the run comes to a rest soon, where it can end in order. */
  expectRest(isSoon: boolean): void {
    this.#isOrderly = isSoon;
  }

  /** Hears nothing any more. */
  release(): void {
    for (const each of this.#forget.splice(0)) each();
  }

  #on(signal: AbortSignal | undefined, act: (reason: unknown) => void): void {
    if (signal === undefined) return;
    if (signal.aborted) {
      act(signal.reason);
      return;
    }
    const listener = () => act(signal.reason);
    signal.addEventListener('abort', listener, { once: true });
    this.#forget.push(() => signal.removeEventListener('abort', listener));
  }
}
