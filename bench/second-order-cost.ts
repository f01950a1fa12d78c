/**
 * What second order costs, from steps of both orders on the same batches.
 *
 * @module
 */

import type { CurvatureEstimate } from '../lib/unlearn/curvature.ts';

/** A step of each order on one batch, in seconds, and the estimate before the second's. */
export interface StepCost {
  readonly first: number;
  readonly second: number;
  readonly estimate?: Pick<CurvatureEstimate, 'riding' | 'seconds' | 'sequences'>;
}

export interface SecondOrderCost {
  /** Median step of the first order, in seconds. */
  readonly firstOrderStep: number;
  /** Median of what a step of the second order without an estimate takes more, in seconds. */
  readonly plainExtra: number;
  /** What the step with the estimate that primes takes more. */
  readonly primingExtra: number;
  /** Median of what a step with another estimate takes more, and of what the run's own events say of it. */
  readonly estimateExtra: number;
  readonly estimateSeconds: number;
  readonly riding: boolean;
  /** Time of the second order over the first's: of the steps that were taken, and by the medians for a whole run. */
  readonly measured: number;
  readonly stepsOfRun: number;
  readonly ofRun: number;
}

/** @param every steps between estimates; the first step primes */
export function costOf(steps: readonly StepCost[], every: number, stepsOfRun: number): SecondOrderCost {
  const [priming, ...others] = steps as [StepCost, ...StepCost[]];
  const extra = ({ first, second }: StepCost) => second - first;
  const withEstimate = others.filter(({ estimate }) => estimate !== undefined);
  const plain = others.filter(({ estimate }) => estimate === undefined);
  const firstOrderStep = median(others.map(({ first }) => first));
  const plainExtra = median(plain.map(extra));
  const primingExtra = extra(priming);
  const estimateExtra = median(withEstimate.map(extra));
  const estimates = Math.ceil(stepsOfRun / every) - 1;
  const added = primingExtra + estimates * estimateExtra + (stepsOfRun - 1 - estimates) * plainExtra;
  const total = (which: 'first' | 'second') => steps.reduce((sum, step) => sum + step[which], 0);
  return {
    firstOrderStep,
    plainExtra,
    primingExtra,
    estimateExtra,
    estimateSeconds: median(withEstimate.map(({ estimate }) => estimate!.seconds)),
    riding: withEstimate.every(({ estimate }) => estimate!.riding),
    measured: total('second') / total('first'),
    stepsOfRun,
    ofRun: 1 + added / (stepsOfRun * firstOrderStep),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
