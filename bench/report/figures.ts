/**
 * Figures as text.
 *
 * @module
 */

import { memory } from '../../lib/cli/terminal.ts';
import type { Spread } from '../measure.ts';
import type { Goal, Unit } from '../results.ts';

/** Nanoseconds in the unit that suits them: `812 ns`, `20.7 us`, `30.1 ms`, `1.20 s`. */
export function time(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${significant(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${significant(nanoseconds / 1e3)} us`;
  if (nanoseconds < 1e9) return `${significant(nanoseconds / 1e6)} ms`;
  return `${significant(nanoseconds / 1e9)} s`;
}

export function quantity(value: number, unit: Unit): string {
  return unit === 'ns' ? time(value) : memory(value);
}

/** Three digits. */
export function significant(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** A median with its quartiles: `0.853 (0.84 to 0.86)`. */
export function ratio({ median, lowerQuartile, upperQuartile }: Spread): string {
  return `${median.toFixed(3)} (${lowerQuartile.toFixed(2)} to ${upperQuartile.toFixed(2)})`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `<= 0.87`, or `<= 20.0 us` where it bounds a quantity. */
export function bound(goal: Goal, unit: Unit | undefined): string {
  const value = unit === undefined ? String(Number(goal.value.toFixed(3))) : quantity(goal.value, unit);
  return `${goal.bound === 'at most' ? '<=' : '>='} ${value}`;
}

/** A number of elements: `2^25` where it is a power of two. */
export function elementCount(elements: number): string {
  const exponent = Math.log2(elements);
  return Number.isInteger(exponent) ? `2^${exponent}` : elements.toLocaleString('en');
}
