/**
 * What the steps of a run came to, whatever descents they belong to.
 *
 * @module
 */

import type { StepEvent } from '../unlearn/events.ts';

export interface RunSummary {
  /** Optimizer steps of all descents. */
  readonly steps: number;
  readonly skippedSteps: number;
  /** Of the whole algorithm. */
  readonly seconds: number;
  /** Share of `seconds` spent on curvature estimates. */
  readonly curvatureShare: number;
  /** Label tokens that were pulled back. */
  readonly tokens: number;
  /** Absent where the algorithm takes no steps. */
  readonly last?: StepEvent;
}

/** Adds up the steps of a run, from its making on. */
export class RunSummaryMeter {
  readonly #begun = performance.now();
  #steps = 0;
  #skippedSteps = 0;
  #curvatureSeconds = 0;
  #tokens = 0;
  #last: StepEvent | undefined;

  add(event: StepEvent): void {
    this.#steps += 1;
    if (event.statistics.skipped) this.#skippedSteps += 1;
    this.#curvatureSeconds += event.curvature?.seconds ?? 0;
    this.#tokens += event.tokens;
    this.#last = event;
  }

  summary(): RunSummary {
    const seconds = (performance.now() - this.#begun) / 1000;
    return {
      steps: this.#steps,
      skippedSteps: this.#skippedSteps,
      seconds,
      curvatureShare: this.#curvatureSeconds / seconds,
      tokens: this.#tokens,
      ...(this.#last ? { last: this.#last } : {}),
    };
  }
}
