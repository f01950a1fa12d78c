/**
 * Numbers as a reader wants them.
 *
 * @module
 */

import type { Estimate, StudyFigure } from '../../study/analysis/summary.ts';

type Unit = StudyFigure['unit'];

/** A number with as many digits as mean something; nothing for one that is not there. */
export function numberText(value: number | undefined, unit: Unit = 'number'): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return String(value);
  switch (unit) {
    case 'probability':
    case 'share':
      return value !== 0 && Math.abs(value) < 0.0005 ? value.toExponential(1) : minus(value.toFixed(3));
    case 'seconds':
      return minus(value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0));
    case 'bytes':
      return bytesText(value);
    default:
      return shortNumber(value);
  }
}

/** What follows the number of a unit in a head. */
export function unitText(unit: Unit): string {
  return unit === 'seconds' ? ' (s)' : '';
}

function bytesText(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = value === 0 ? 0 : Math.min(Math.floor(Math.log2(Math.abs(value)) / 10), units.length - 1);
  return `${minus((value / 1024 ** power).toFixed(power === 0 ? 0 : 1))} ${units[power]}`;
}

function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return minus(String(value));
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6)
    ? value.toExponential(2)
    : minus(String(Number(value.toPrecision(4))));
}

/** With the sign that is as wide as a digit; none before a 0. */
function minus(text: string): string {
  return /^-[0.]*$/.test(text) ? text.slice(1) : text.replace(/^-/, '\u2212');
}

/** A mean with its interval. */
export function estimateText(estimate: Estimate | undefined, unit: Unit): string {
  if (estimate === undefined) return '';
  const { mean, low, high } = estimate;
  const interval =
    low === undefined || high === undefined ? '' : ` [${numberText(low, unit)}, ${numberText(high, unit)}]`;
  return `${numberText(mean, unit)}${interval}`;
}
