/**
 * Figures of a step from what native code counted.
 *
 * @module
 */

import type { StepStatistics } from './optimizer.ts';
import type { GroupLayout } from './parameter-groups.ts';

/**
 * @param numbers step, skipped, gradient norm, rho, then clipped and changed counts of each range
 * @param clips whether the optimizer clips coordinates, so that rho and clipped fractions mean something
 */
export function stepStatistics(layout: GroupLayout, numbers: readonly number[], clips: boolean): StepStatistics {
  const [step, skipped, gradientNorm, rho, ...counts] = numbers as [number, number, number, number, ...number[]];
  const clipped = layout.groups.map(() => 0);
  const changed = layout.groups.map(() => 0);
  for (const [segment, group] of layout.groupOf.entries()) {
    clipped[group]! += counts[2 * segment]!;
    changed[group]! += counts[2 * segment + 1]!;
  }
  const length = sum(layout.groups.map((group) => group.length));
  return {
    step,
    skipped: skipped !== 0,
    ...(clips ? { rho, clippedFraction: fraction(sum(clipped), length) } : {}),
    changedFraction: fraction(sum(changed), length),
    gradientNorm,
    groups: layout.groups.map((group, index) => ({
      ...group,
      ...(clips ? { clippedFraction: fraction(clipped[index]!, group.length) } : {}),
      changedFraction: fraction(changed[index]!, group.length),
    })),
  };
}

/** A count as a share of `length`; of nothing, 0. */
function fraction(count: number, length: number): number {
  return length === 0 ? 0 : count / length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
