/**
 * Tables of kernels beside their memory limits.
 *
 * @module
 */

import type { Spread } from '../measure.ts';
import type { CallMeasurement, KernelMeasurement } from '../results.ts';
import { elementCount, percent, significant, time } from './figures.ts';
import type { Table } from './table.ts';

/** A row for every measurement; times and speeds of the median turn, the fraction the median of pairs. */
export function kernelTable(measurements: readonly KernelMeasurement[]): Table {
  return {
    header: ['kernel', 'storage', 'size', 'bytes', 'ns each', 'GB/s', 'limit GB/s', 'of limit', 'quartiles', 'pairs'],
    rows: measurements.map(({ kernel, storage, ...measurement }) => [
      kernel,
      storage,
      measurement.shape ?? elementCount(measurement.elements),
      ...speeds(measurement),
      percent(measurement.fractionOfLimit.median),
      quartiles(measurement.fractionOfLimit),
      String(measurement.fractionOfLimit.count),
    ]),
  };
}

/** A row for every kernel of one storage, a column for every size: the fraction of the limit. */
export function fractionTable(measurements: readonly KernelMeasurement[]): Table {
  const sizes = [...new Set(measurements.map(({ elements }) => elements))].toSorted((a, b) => a - b);
  const titles = [...new Set(measurements.map(({ title }) => title))];
  return {
    header: ['kernel', 'bytes a weight', ...sizes.map(elementCount)],
    rows: titles.map((title) => {
      const ofKernel = measurements.filter((measurement) => measurement.title === title);
      const fractions = sizes.map((size) => {
        const found = ofKernel.find(({ elements }) => elements === size);
        return found ? percent(found.fractionOfLimit.median) : '-';
      });
      return [title, String(ofKernel[0]!.bytesPerElement), ...fractions];
    }),
  };
}

/** A row for every kernel, and every shape of logits, at its largest size: the figures behind the fraction. */
export function largestTable(measurements: readonly KernelMeasurement[]): Table {
  const largest = new Map<string, KernelMeasurement>();
  for (const measurement of measurements) {
    const name = `${measurement.title} ${measurement.shape ?? ''}`;
    const known = largest.get(name);
    if (!known || known.elements < measurement.elements) largest.set(name, measurement);
  }
  return {
    header: ['kernel', 'size', 'bytes each', 'ns each', 'GB/s', 'limit GB/s', 'of the limit (quartiles)'],
    rows: [...largest.values()].map(({ title, ...measurement }) => [
      title,
      measurement.shape ?? elementCount(measurement.elements),
      ...speeds(measurement),
      `${percent(measurement.fractionOfLimit.median)} (${quartiles(measurement.fractionOfLimit)})`,
    ]),
  };
}

export function callTable(calls: readonly CallMeasurement[]): Table {
  return {
    header: ['call', 'median', 'quartiles'],
    rows: calls.map(({ title, time: spread }) => [
      title,
      time(spread.median),
      `${time(spread.lowerQuartile)} to ${time(spread.upperQuartile)}`,
    ]),
  };
}

/** Bytes that each element costs; of the median turn its nanoseconds, and gigabytes (10^9) a second of kernel and limit. */
function speeds({
  elements,
  bytesPerElement,
  time,
  limit,
}: Pick<KernelMeasurement, 'elements' | 'bytesPerElement' | 'time' | 'limit'>): string[] {
  const bytes = bytesPerElement * elements;
  return [
    String(bytesPerElement),
    (time.median / elements).toFixed(3),
    significant(bytes / time.median),
    significant(bytes / limit.median),
  ];
}

function quartiles({ lowerQuartile, upperQuartile }: Spread): string {
  return `${percent(lowerQuartile)} to ${percent(upperQuartile)}`;
}
