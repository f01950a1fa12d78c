/**
 * Figures of an evaluation log, printed.
 *
 * @module
 */

import { printable } from '../core/errors.ts';
import { type LogFigures, metricTitle } from '../eval/figures/measure-log.ts';
import { listing, table } from './terminal.ts';

/** As text: the figures that have a value with their intervals, then why others have none, then notes. */
export function figuresText({ profile, truthRatioMean, embedder, items, figures, notes }: LogFigures): string {
  const counts = Object.entries(items).map(([set, count]) => `${count} of ${set}`);
  const head = [
    `profile ${profile}, truth ratio by the ${truthRatioMean} mean; items: ${counts.join(', ')}`,
    ...(embedder === undefined ? [] : [`accuracy by the sentence embeddings of ${printable(embedder)}`]),
  ];
  const rows = figures
    .filter(({ value }) => value !== undefined)
    .map(({ metric, layer, set = 'all', value, interval }) => [
      metricTitle(metric) + (layer === undefined ? '' : `, layer ${layer}`),
      set,
      short(value!),
      interval ? `${short(interval[0])} to ${short(interval[1])}` : '',
    ]);
  const absent = figures
    .filter(({ value }) => value === undefined)
    .map(({ metric, why }) => [metricTitle(metric), `n/a: ${why}`]);
  // Said once of all sets.
  const whys = [...new Map(absent.map((row) => [row.join(), row])).values()];
  return [
    head.join('\n'),
    table(['figure', 'set', 'value', '95% interval'], rows),
    ...(whys.length > 0 ? [listing(whys)] : []),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n\n');
}

function short(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  return Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5 ? value.toExponential(3) : value.toFixed(4);
}

/** As JSON: figures by their sets, those of all sets first, of layers in a list; null with the reason where there is none. */
export function figuresResult({ figures, ...rest }: LogFigures): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  const sets: Record<string, Record<string, unknown>> = {};
  for (const { metric, set, layer, value, why, interval, details } of figures) {
    // JSON has no infinity.
    const hasValue = Number.isFinite(value);
    const entry = {
      value: hasValue ? value : null,
      ...(hasValue ? {} : { why: why ?? 'infinite' }),
      ...details,
      ...(interval ? { interval } : {}),
    };
    if (set === undefined) all[metric] = entry;
    else {
      sets[set] ??= {};
      sets[set][metric] = layer === undefined ? entry : [...((sets[set][metric] as unknown[]) ?? []), entry];
    }
  }
  return { ...rest, figures: all, sets };
}
