/**
 * Option values that the benchmark commands share.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import { checkDevice, type Device } from '../lib/core/devices.ts';
import type { LogitsShape } from './cases/token-loss.ts';

/** Largest exponent of a size. */
const largestExponent = 34;

/** Exponents of two: `16,20,24`, or all from `16-28`; as numbers of elements, ascending. */
export function sizes(text: string): number[] {
  const exponents = text.split(',').flatMap((part) => {
    const [, low, high = low] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (!(last <= largestExponent && first <= last)) {
      throw new InvalidArgumentError(`Expected exponents of two up to ${largestExponent}, as in 16,20,24 or 16-28.`);
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return [...new Set(exponents)].toSorted((a, b) => a - b).map((exponent) => 2 ** exponent);
}

/** Logits as `rows x vocabulary`: `512x49152,4096x2048`. */
export function shapes(text: string): LogitsShape[] {
  return text.split(',').map((part) => {
    const [rows, vocabulary] = /^\s*([1-9]\d{0,8})x([1-9]\d{0,8})\s*$/.exec(part)?.slice(1).map(Number) ?? [];
    if (rows === undefined || vocabulary === undefined || vocabulary < 2) {
      throw new InvalidArgumentError('Expected rows x vocabulary, as in 512x49152,4096x2048.');
    }
    return { rows, vocabulary };
  });
}

/** `cpu`, `cuda` (the first device) or `cuda:N`. */
export function device(text: string): Device {
  try {
    return checkDevice('--device', text.trim());
  } catch {
    throw new InvalidArgumentError('Expected cpu, cuda or cuda:N.');
  }
}

/** Some of `known`, separated by commas. */
export function namesOf<Name extends string>(known: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !known.includes(name as Name));
    if (unknown === undefined) return names as Name[];
    throw new InvalidArgumentError(`Unknown: ${unknown}. Known are ${known.join(', ')}.`);
  };
}
