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
  /** Of the whole algorithm, but for what was measured on the way. */
  readonly seconds: number;
  /** Of figures that were measured on the way, which `seconds` has not. */
  readonly measuringSeconds: number;
  /** Share of `seconds` spent on curvature estimates. */
  readonly curvatureShare: number;
  /** Label tokens that were pulled back. */
  readonly tokens: number;
  /** Absent where the algorithm takes no steps. */
  readonly last?: StepEvent;
}

/** What a meter has added up, to go on from. */
export type SummaryState = Omit<RunSummary, 'curvatureShare'> & { readonly curvatureSeconds: number };

/** Adds up the steps of a run. */
export class RunSummaryMeter {
  #begun: number | undefined;
  #secondsBefore = 0;
  #steps = 0;
  #skippedSteps = 0;
  #curvatureSeconds = 0;
  #tokens = 0;
  #measuringSeconds = 0;
  /** Of this process, since it began. */
  #measuredSinceBegun = 0;
  #last: StepEvent | undefined;

  /** One that goes on from an earlier process's. */
  static from({ steps, skippedSteps, seconds, measuringSeconds, curvatureSeconds, tokens, last }: SummaryState) {
    const meter = new RunSummaryMeter();
    meter.#measuringSeconds = measuringSeconds;
    meter.#secondsBefore = seconds;
    meter.#steps = steps;
    meter.#skippedSteps = skippedSteps;
    meter.#curvatureSeconds = curvatureSeconds;
    meter.#tokens = tokens;
    meter.#last = last;
    return meter;
  }

  /** The algorithm begins, or goes on: its time is counted from here. */
  start(): void {
    this.#begun = performance.now();
  }

  get steps(): number {
    return this.#steps;
  }

  /** The last step that was added. */
  get last(): StepEvent | undefined {
    return this.#last;
  }

  add(event: StepEvent): void {
    this.#steps += 1;
    if (event.statistics.skipped) this.#skippedSteps += 1;
    this.#curvatureSeconds += event.curvature?.seconds ?? 0;
    this.#tokens += event.tokens;
    this.#last = event;
  }

  /** Does what is no part of the algorithm's time: measures figures on the way. */
  async measuring<Result>(work: () => Promise<Result>): Promise<Result> {
    const since = performance.now();
    try {
      return await work();
    } finally {
      const seconds = (performance.now() - since) / 1000;
      this.#measuringSeconds += seconds;
      this.#measuredSinceBegun += seconds;
    }
  }

  state(): SummaryState {
    const passed = this.#begun === undefined ? 0 : (performance.now() - this.#begun) / 1000 - this.#measuredSinceBegun;
    return {
      steps: this.#steps,
      skippedSteps: this.#skippedSteps,
      seconds: this.#secondsBefore + passed,
      measuringSeconds: this.#measuringSeconds,
      curvatureSeconds: this.#curvatureSeconds,
      tokens: this.#tokens,
      ...(this.#last ? { last: this.#last } : {}),
    };
  }

  summary(): RunSummary {
    const { curvatureSeconds, ...state } = this.state();
    return { ...state, curvatureShare: state.seconds > 0 ? curvatureSeconds / state.seconds : 0 };
  }
}
