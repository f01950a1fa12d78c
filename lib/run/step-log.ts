/**
 * What a run leaves of its steps for those who watch it: a line each in metrics.jsonl, and curves for TensorBoard.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { StepEvent } from '../unlearn/events.ts';
import type { EvaluationPoint } from './evaluations/evaluation.ts';
import { EventFile } from './event-file.ts';
import type { Evaluation } from './measure.ts';
import type { OutFolder } from './out-folder.ts';
import { isWithin } from './replaceable-folder.ts';
import { metricsName } from './run-files.ts';

/** The curves of one run, `<folder>/<name of the out folder>`. */
export class RunCurves {
  readonly #folder: string;
  #file: EventFile | undefined;

  /**
   * Makes the folder.
   *
   * @param out the run's output, as it was given
   * @param place where that is
   * @throws SoulError SOUL_INVALID_ARGUMENT where it would lie in the out folder, which appears only when the run is done;
   *   SOUL_FILE_SYSTEM
   */
  constructor(folder: string, out: string, place: string) {
    this.#folder = join(folder, basename(place));
    for (const taken of [out, place].flatMap((each) => [each, `${each}.partial`])) {
      if (!isWithin(resolve(this.#folder), resolve(taken))) continue;
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `tensorboard: the curves would be written to ${this.#folder}, which is the run's own output; name another folder`,
        { argument: 'tensorboard', folder },
      );
    }
    try {
      mkdirSync(this.#folder, { recursive: true });
    } catch (error) {
      throw asSoulError(error);
    }
  }

  /** @param step of all descents, counted from 1 */
  step(step: number, event: StepEvent): void {
    const { losses, loss, coefficients = {}, learningRate, statistics, curvature, seconds } = event;
    const { gradientNorm, clippedFraction, changedFraction, rho, skipped } = statistics;
    const factors = statistics.groups.filter(({ name }) => name === 'A' || name === 'B');
    const clipped = factors.map((each) => [each.name, each.clippedFraction ?? Number.NaN]);
    const named = (prefix: string, entries: Readonly<Record<string, number>>) =>
      Object.fromEntries(Object.entries(entries).map(([name, value]) => [`${prefix}/${name}`, value]));
    this.#add(step, {
      loss,
      ...named('losses', losses),
      ...named('coefficients', coefficients),
      learningRate,
      gradientNorm,
      changedFraction,
      ...withoutUndefined({ clippedFraction, rho }),
      ...(clippedFraction === undefined ? {} : named('clippedFraction', Object.fromEntries(clipped))),
      skipped: skipped ? 1 : 0,
      ...(curvature ? { 'curvature/seconds': curvature.seconds } : {}),
      'speed/secondsPerStep': seconds,
      'speed/tokensPerSecond': tokensPerSecond(event),
      'memory/resident': process.memoryUsage.rss(),
    });
  }

  /**
   * Adds what was measured: before at step 0, after at the last.
   *
   * @param steps of the run, all descents counted
   */
  measured({ target, retain }: Evaluation, steps: number): void {
    const at = (step: number, when: 'before' | 'after') =>
      this.#add(
        step,
        { 'probability/target': target[when], ...(retain ? { 'probability/retain': retain[when] } : {}) },
        behind(steps),
      );
    at(0, 'before');
    at(Math.max(steps, 1), 'after');
  }

  /** Adds the figures of an evaluation. */
  evaluated({ step, moment, sets }: EvaluationPoint): void {
    const figures = Object.entries(sets).flatMap(([set, { examples: _, seconds: __, ...own }]) =>
      Object.entries(own).map(([name, value]) => [`${name}/${set}`, value] as const),
    );
    this.#add(moment === 'after' ? Math.max(step, 1) : step, Object.fromEntries(figures), behind(step));
  }

  /** @param first from where on this file takes the place of earlier ones, unless it is begun */
  #add(step: number, figures: Readonly<Record<string, number>>, first = step === 1 ? 0 : step): void {
    const seconds = Date.now() / 1000;
    // As late as can be: a run that fails before its first step leaves the curves of the one before it. At step 0 stands what is measured.
    this.#file ??= new EventFile(join(this.#folder, fileName(seconds)), first, seconds);
    this.#file.scalars(step, seconds, figures);
  }
}

/** Where a file begins whose first figures are of the model behind a step, which another file may have. */
function behind(step: number): number {
  return step === 0 ? 0 : step + 1;
}

/** Readers take the files of a folder in the order of their names. */
function fileName(seconds: number): string {
  return `events.out.tfevents.${Math.floor(seconds)}.${randomUUID()}`;
}

/** Where a step stands in its run. */
export interface StepPlace {
  /** From 1. */
  readonly descent: number;
  /** Of all descents, from 1. */
  readonly step: number;
}

/** Writes each step where it is to be seen. */
export class StepLog {
  readonly #add: (record: object) => void;
  readonly #curves: RunCurves | undefined;

  /** @param curves absent where none are asked for */
  constructor(out: Pick<OutFolder, 'openLog'>, curves?: RunCurves) {
    this.#add = out.openLog(metricsName);
    this.#curves = curves;
  }

  step(event: StepEvent, { descent, step }: StepPlace): void {
    const { kind: _, ...figures } = event;
    this.#add({
      descent,
      ...figures,
      tokensPerSecond: tokensPerSecond(event),
      memory: process.memoryUsage.rss(),
      time: new Date().toISOString(),
    });
    this.#curves?.step(step, event);
  }
}

function tokensPerSecond({ tokens, seconds }: StepEvent): number {
  return seconds > 0 ? tokens / seconds : 0;
}
