/**
 * Checks of what optimizers are given.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../core/errors.ts';
import { type FlatBuffer, nativeMemory, overlaps } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { type NativeSettings, seedHalves } from './native-settings.ts';
import type { OptimizerOptions, OptimizerParameters } from './optimizer.ts';

export { checkNames };

const largest = 3.4e38;

/** A finite number in [low, high], or below high where that is exclusive. */
export function checkNumber(
  argument: string,
  value: unknown,
  { low = 0, high = largest, lowExclusive = false, highExclusive = false } = {},
): number {
  const inside =
    typeof value === 'number' &&
    (lowExclusive ? value > low : value >= low) &&
    (highExclusive ? value < high : value <= high);
  if (inside) return value;
  const from = lowExclusive ? `above ${low}` : `of at least ${low}`;
  const to = high === largest ? 'and finite' : `${highExclusive ? 'and below' : 'and at most'} ${high}`;
  throw invalidArgument(argument, `a number ${from} ${to}`, value);
}

/** An option that was left out is its default; `null` is not a way to leave one out. */
export function valueOr<Value, Default>(value: Value | undefined, fallback: Default): Value | Default {
  return value === undefined ? fallback : value;
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, 'true or false', value);
  return value;
}

export function checkChoice<Choice extends string>(
  argument: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  if (choices.includes(value as Choice)) return value as Choice;
  throw invalidArgument(argument, choices.map((choice) => `'${choice}'`).join(' or '), value);
}

/** Decay rates of the two moving averages, each in [0, 1). */
export function checkBetas(value: unknown): readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2) throw invalidArgument('betas', 'an array of two numbers', value);
  const bounds = { high: 1, highExclusive: true };
  return [checkNumber('betas[0]', value[0], bounds), checkNumber('betas[1]', value[1], bounds)];
}

/** Names of {@link OptimizerOptions}, for `checkNames`. */
export const sharedOptionNames = [
  'learningRate',
  'weightDecay',
  'parameterGroups',
  'clipNorm',
  'maximize',
  'nonFinite',
  'frozen',
  'precision',
  'seed',
] as const satisfies readonly (keyof OptimizerOptions)[];

/** The options that all optimizers share, checked, in the form that native code takes. */
export function checkShared(
  options: OptimizerOptions,
  defaults: { learningRate: number; weightDecay: number },
): NativeSettings & { learningRate: number; weightDecay: number; skipNonFinite: boolean } {
  return {
    learningRate: checkNumber('learningRate', valueOr(options.learningRate, defaults.learningRate)),
    weightDecay: checkNumber('weightDecay', valueOr(options.weightDecay, defaults.weightDecay)),
    clipNorm: options.clipNorm === undefined ? 0 : checkNumber('clipNorm', options.clipNorm, { lowExclusive: true }),
    maximize: checkBoolean('maximize', valueOr(options.maximize, false)),
    skipNonFinite: checkChoice('nonFinite', valueOr(options.nonFinite, 'skip'), ['skip', 'propagate']) === 'skip',
    ...seedHalves(checkSeed(valueOr(options.seed, 0n))),
  };
}

/** A bigint in [0, 2^64). */
function checkSeed(seed: unknown): bigint {
  if (typeof seed === 'bigint' && BigInt.asUintN(64, seed) === seed) return seed;
  throw invalidArgument('seed', 'a bigint from 0n to 2n ** 64n - 1n', seed);
}

/** A mask of a bit for each of the values, or undefined. */
export function checkFrozen(
  frozen: FlatBuffer | undefined,
  { values, gradients }: OptimizerParameters,
): FlatBuffer | undefined {
  if (frozen === undefined) return undefined;
  nativeMemory(frozen, 'frozen');
  const bytes = Math.ceil(values.length / 8);
  if (frozen.dtype !== 'u8') throw invalidArgument('frozen.dtype', "'u8', a bit for each value", frozen.dtype);
  if (frozen.length !== bytes) {
    throw invalidArgument('frozen.length', `${bytes}, a bit for each of ${values.length} values`, frozen.length);
  }
  checkApart('frozen', frozen, 'values', values);
  checkApart('frozen', frozen, 'gradients', gradients);
  if (frozen.device !== values.device) throw invalidArgument('frozen.device', values.device, frozen.device);
  return frozen;
}

/** Values and gradients of one length, dtype and device that share no memory. */
export function checkParameters(parameters: OptimizerParameters): void {
  checkNames('parameters', dropLayout(parameters), ['values', 'gradients']);
  const { values, gradients } = parameters;
  nativeMemory(values, 'values');
  if (values.dtype === 'u8') throw invalidArgument('values.dtype', "'f32' or 'bf16'", values.dtype);
  nativeMemory(gradients, 'gradients');
  checkAlike('gradients', gradients, 'values', values);
  checkApart('gradients', gradients, 'values', values);
}

/** A buffer must have the length, the device and, unless told otherwise, the dtype of another. */
export function checkAlike(
  argument: string,
  buffer: FlatBuffer,
  otherName: string,
  other: FlatBuffer,
  properties: readonly ('length' | 'dtype' | 'device')[] = ['length', 'dtype', 'device'],
): void {
  nativeMemory(buffer, argument);
  for (const property of properties) {
    if (buffer[property] === other[property]) continue;
    throw invalidArgument(`${argument}.${property}`, `${other[property]}, as that of ${otherName}`, buffer[property]);
  }
}

/** Two buffers must share no memory. */
export function checkApart(argument: string, buffer: FlatBuffer, otherName: string, other: FlatBuffer): void {
  if (!overlaps(buffer, other)) return;
  throw new SoulError('SOUL_ALIASED', `${argument} shares memory with ${otherName}; give it memory of its own`, {
    argument,
    other: otherName,
  });
}

/** A model's `parameters` also hold its layout, which is of no concern here. */
function dropLayout(parameters: unknown): unknown {
  if (typeof parameters !== 'object' || parameters === null) return parameters;
  const { layout: _, ...buffers } = parameters as Record<string, unknown>;
  return buffers;
}
