/**
 * Numbers of a study as texts.
 *
 * @module
 */

import type { Estimate, StudyFigure } from '../summary.ts';

type Unit = StudyFigure['unit'];

const mebibyte = 2 ** 20;

/** Three digits behind the point of probabilities and shares, three digits in all of others; bytes in MiB. */
export function shownValue(value: number, unit: Unit): string {
  if (unit === 'bytes') return String(Math.round(value / mebibyte));
  const isShare = unit === 'probability' || unit === 'share';
  const size = Math.abs(value);
  if (isShare) return size === 0 || size >= 1e-3 ? value.toFixed(3) : value.toExponential(1);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size === 0 || size >= 1e-3 ? value.toFixed(3) : value.toExponential(1);
}

/** With its sign, as differences have it. */
export function shownDifference(value: number, unit: Unit): string {
  const text = shownValue(value, unit);
  return value > 0 ? `+${text}` : text;
}

export function shownInterval({ low, high }: Estimate, unit: Unit): string | undefined {
  return low === undefined || high === undefined ? undefined : `[${shownValue(low, unit)}, ${shownValue(high, unit)}]`;
}

/** The head of a column, with the unit where values have one. */
export function columnTitle({ label, unit }: StudyFigure): string {
  if (unit === 'seconds') return `${label} (s)`;
  return unit === 'bytes' ? `${label} (MiB)` : label;
}
