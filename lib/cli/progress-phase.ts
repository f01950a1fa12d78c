/**
 * The phase of work that is under way: how long it has taken and will take, and when it is time to show that.
 *
 * @module
 */

import { duration } from './terminal.ts';

/** What is done within a phase, which goes on behind it. */
export class Aside {
  #present: PresentPhase | undefined;

  /** As {@link PresentPhase.timeDue} of what goes by the name; it ends when all of it is done. */
  timeDue(name: string, done: number, total: number, milliseconds: number): string | undefined {
    if (this.#present?.label !== name) {
      this.#present = new PresentPhase(name);
      this.#present.begin(name);
      this.#present.wasShown();
    }
    const isDue = done < total ? this.#present.timeDue(done, total, milliseconds) : undefined;
    if (done >= total) this.#present = undefined;
    return isDue;
  }
}

export class PresentPhase {
  readonly #firstLabel: string;
  #label: string;
  /** When it began, where it was announced. */
  #since: number | undefined;
  /** The first figure of it, from which its pace is told. */
  #first: { readonly at: number; readonly done: number } | undefined;
  #shown = Number.NEGATIVE_INFINITY;

  /** @param firstLabel of what is never announced */
  constructor(firstLabel: string) {
    this.#firstLabel = firstLabel;
    this.#label = firstLabel;
  }

  get label(): string {
    return this.#label;
  }

  begin(label: string): void {
    this.end();
    this.#label = label;
    this.#since = performance.now();
  }

  end(): void {
    this.#label = this.#firstLabel;
    this.#since = undefined;
    this.#first = undefined;
    this.#shown = Number.NEGATIVE_INFINITY;
  }

  /** Something of it was shown just now. */
  wasShown(): void {
    this.#shown = performance.now();
  }

  /** Milliseconds since it began; 0 where that was not announced. */
  get elapsed(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since;
  }

  /**
   * What has passed, and what is left where that can be told, as in `1:23, 0:40 left`; undefined where not so many milliseconds have
   * passed since anything was shown. The end is always shown.
   */
  timeDue(done: number, total: number, milliseconds: number): string | undefined {
    const now = performance.now();
    this.#first ??= { at: now, done };
    if (done < total && now - this.#shown < milliseconds) return undefined;
    this.#shown = now;
    const counted = done - this.#first.done;
    const each = (now - this.#first.at) / 1000 / counted;
    const left = counted > 0 && done < total ? `, ${duration(each * (total - done))} left` : '';
    return `${duration((now - (this.#since ?? this.#first.at)) / 1000)}${left}`;
  }
}
