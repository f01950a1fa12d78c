/**
 * Learning-rate schedules: plain functions from the step to a factor on the peak learning rate.
 *
 * @module
 */

import { checkInteger, valueOr } from '../core/checks.ts';
import { checkNames } from '../core/option-names.ts';

/** Factor in [0, 1] for the step that is about to be taken; the first step is 0. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** The factor rises from 0 at step 0 to 1 at this step, on a line. Default 0, no warm-up. */
  warmupSteps?: number;
}

export interface DecayOptions extends WarmupOptions {
  /** Steps in all; the factor reaches 0 there. */
  steps: number;
}

/** 1 after the warm-up; `get_constant_schedule_with_warmup` of transformers. */
export function constant(options: WarmupOptions = {}): Schedule {
  const warmupSteps = checkWarmup(options, ['warmupSteps']);
  return (step) => warmup(step, warmupSteps) ?? 1;
}

/** Falls to 0 on a line after the warm-up; `get_linear_schedule_with_warmup` of transformers. */
export function linear(options: DecayOptions): Schedule {
  const warmupSteps = checkWarmup(options, ['warmupSteps', 'steps']);
  const steps = checkSteps('steps', options.steps);
  return (step) => warmup(step, warmupSteps) ?? 1 - decayed(step, warmupSteps, steps);
}

/** Falls to 0 on half a cosine after the warm-up and stays there; `get_cosine_schedule_with_warmup` of transformers. */
export function cosine(options: DecayOptions): Schedule {
  const warmupSteps = checkWarmup(options, ['warmupSteps', 'steps']);
  const steps = checkSteps('steps', options.steps);
  return (step) => warmup(step, warmupSteps) ?? 0.5 * (1 + Math.cos(Math.PI * decayed(step, warmupSteps, steps)));
}

function warmup(step: number, warmupSteps: number): number | undefined {
  checkSteps('step', step);
  return step < warmupSteps ? step / warmupSteps : undefined;
}

/** Share of the decay that is over, in [0, 1]. */
function decayed(step: number, warmupSteps: number, steps: number): number {
  return step >= steps ? 1 : (step - warmupSteps) / (steps - warmupSteps);
}

function checkWarmup(options: WarmupOptions, names: readonly string[]): number {
  checkNames('options', options, names);
  return checkSteps('warmupSteps', valueOr(options.warmupSteps, 0));
}

function checkSteps(argument: string, steps: number): number {
  checkInteger(argument, steps, { low: 0 });
  return steps;
}
