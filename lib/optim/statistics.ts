/**
 * Figures of a step from what native code counted.
 *
 * @module
 */

import type { StepStatistics } from './optimizer.ts';
import type { GroupLayout } from './parameter-groups.ts';

/**
 * @param numbers step, skipped, gradient norm, rho, then stepped, clipped and changed counts of each range
 * @param clips whether the optimizer clips coordinates, so that rho and clipped fractions mean something
 */
export function stepStatistics(layout: GroupLayout, numbers: readonly number[], clips: boolean): StepStatistics {
  const [step, skipped, gradientNorm, rho, ...counts] = numbers as [number, number, number, number, ...number[]];
  const stepped = layout.groups.map(() => 0);
  const clipped = layout.groups.map(() => 0);
  const changed = layout.groups.map(() => 0);
  for (const [segment, group] of layout.groupOf.entries()) {
    stepped[group]! += counts[3 * segment]!;
    clipped[group]! += counts[3 * segment + 1]!;
    changed[group]! += counts[3 * segment + 2]!;
  }
  const all = sum(stepped);
  return {
    step,
    skipped: skipped !== 0,
    stepped: all,
    ...(clips ? { rho, clippedFraction: fraction(sum(clipped), all) } : {}),
    changedFraction: fraction(sum(changed), all),
    gradientNorm,
    groups: layout.groups.map((group, index) => ({
      ...group,
      stepped: stepped[index]!,
      ...(clips ? { clippedFraction: fraction(clipped[index]!, stepped[index]!) } : {}),
      changedFraction: fraction(changed[index]!, stepped[index]!),
    })),
  };
}

/** A count as a share of `all`; of nothing, 0. */
function fraction(count: number, all: number): number {
  return all === 0 ? 0 : count / all;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
