/**
 * Tables of kernels beside their memory limits.
 *
 * @module
 */

import type { Spread } from '../measure.ts';
import { type CallMeasurement, type KernelMeasurement, verdictOn } from '../results.ts';
import { bound, elementCount, percent, significant, time } from './figures.ts';
import type { Table } from './table.ts';

/** A row for every measurement; times and speeds of the median turn, the fraction the median of pairs. */
export function kernelTable(measurements: readonly KernelMeasurement[]): Table {
  const onDevice = measurements.some(({ fractionOfCopy }) => fractionOfCopy);
  return {
    header: [
      ...['kernel', 'storage', 'size', 'bytes', 'ns each', 'GB/s', 'limit GB/s', 'of limit', 'quartiles', 'rounds'],
      ...(onDevice ? ['of copy', 'goal', 'met'] : []),
    ],
    rows: measurements.map(({ kernel, storage, ...measurement }) => [
      kernel,
      storage,
      measurement.shape ?? elementCount(measurement.elements),
      ...speeds(measurement),
      percent(measurement.fractionOfLimit.median),
      quartiles(measurement.fractionOfLimit),
      String(measurement.fractionOfLimit.count),
      ...(onDevice ? copyCells(measurement) : []),
    ]),
  };
}

/** A row for every kernel of one storage, a column for every size: the fraction of the copy where there is one, else of the limit. */
export function fractionTable(measurements: readonly KernelMeasurement[]): Table {
  const sizes = [...new Set(measurements.map(({ elements }) => elements))].toSorted((a, b) => a - b);
  const titles = [...new Set(measurements.map(({ title }) => title))];
  return {
    header: ['kernel', 'bytes a weight', ...sizes.map(elementCount)],
    rows: titles.map((title) => {
      const ofKernel = measurements.filter((measurement) => measurement.title === title);
      const fractions = sizes.map((size) => {
        const found = ofKernel.find(({ elements }) => elements === size);
        return found ? percent((found.fractionOfCopy ?? found.fractionOfLimit).median) : '-';
      });
      return [title, String(ofKernel[0]!.bytesPerElement), ...fractions];
    }),
  };
}

/** As {@link largestTable}, with the fraction of a device's copy and its goal. */
export function copyTable(measurements: readonly KernelMeasurement[]): Table {
  return {
    header: [...largestHeader, 'of the limit', 'of the copy', 'goal', 'met'],
    rows: largestOf(measurements).map((measurement) => [
      ...largestCells(measurement),
      percent(measurement.fractionOfLimit.median),
      ...copyCells(measurement),
    ]),
  };
}

function copyCells({ fractionOfCopy, goal }: Pick<KernelMeasurement, 'fractionOfCopy' | 'goal'>): string[] {
  const reached = verdictOn(goal, fractionOfCopy);
  return [
    fractionOfCopy ? percent(fractionOfCopy.median) : '-',
    goal ? `>= ${percent(goal.value)}` : '',
    reached ? (reached.met ? 'yes' : 'no') : '',
  ];
}

/** A row for every kernel, and every shape of logits, at its largest size: the figures behind the fraction. */
export function largestTable(measurements: readonly KernelMeasurement[]): Table {
  return {
    header: [...largestHeader, 'of the limit (quartiles)'],
    rows: largestOf(measurements).map((measurement) => [
      ...largestCells(measurement),
      `${percent(measurement.fractionOfLimit.median)} (${quartiles(measurement.fractionOfLimit)})`,
    ]),
  };
}

const largestHeader = ['kernel', 'size', 'bytes each', 'ns each', 'GB/s', 'limit GB/s'];

function largestCells(measurement: KernelMeasurement): string[] {
  return [measurement.title, measurement.shape ?? elementCount(measurement.elements), ...speeds(measurement)];
}

function largestOf(measurements: readonly KernelMeasurement[]): KernelMeasurement[] {
  const largest = new Map<string, KernelMeasurement>();
  for (const measurement of measurements) {
    const name = `${measurement.title} ${measurement.shape ?? ''}`;
    const known = largest.get(name);
    if (!known || known.elements < measurement.elements) largest.set(name, measurement);
  }
  return [...largest.values()];
}

/** A row for every call, with its goal where one has one. */
export function callTable(calls: readonly CallMeasurement[]): Table {
  const withGoal = calls.some(({ goal }) => goal);
  return {
    header: ['call', 'median', 'quartiles', ...(withGoal ? ['goal', 'met'] : [])],
    rows: calls.map(({ title, time: spread, goal }) => {
      const reached = verdictOn(goal, spread);
      return [
        title,
        time(spread.median),
        `${time(spread.lowerQuartile)} to ${time(spread.upperQuartile)}`,
        ...(withGoal ? [goal ? bound(goal, 'ns') : '', reached ? (reached.met ? 'yes' : 'no') : ''] : []),
      ];
    }),
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
