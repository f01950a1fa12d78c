/**
 * Checks of what optimizers are given.
 *
 * @module
 */

import { checkBoolean, checkChoice, checkInteger, checkNumber, checkSeed, valueOr } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { type FlatBuffer, nativeMemory, overlaps } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { elementCount } from '../core/shape.ts';
import { type NativeSettings, seedHalves } from './native-settings.ts';
import type { OptimizerOptions, OptimizerParameters } from './optimizer.ts';

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
    ...seedHalves(checkSeed('seed', valueOr(options.seed, 0n))),
  };
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
  checkNames('parameters', parameters, ['values', 'gradients', 'layout']);
  const { values, gradients, layout } = parameters;
  nativeMemory(values, 'values');
  if (values.dtype === 'u8') throw invalidArgument('values.dtype', "'f32' or 'bf16'", values.dtype);
  nativeMemory(gradients, 'gradients');
  checkAlike('gradients', gradients, 'values', values);
  checkApart('gradients', gradients, 'values', values);
  if (layout === undefined) return;
  if (typeof layout !== 'object' || layout === null || !(Symbol.iterator in layout)) {
    throw invalidArgument('layout', "a model's layout", layout);
  }
  if (layout.length !== values.length) {
    throw invalidArgument('layout.length', `${values.length}, as that of values`, layout.length);
  }
  let end = 0;
  for (const [name, place] of [...layout].toSorted(([, a], [, b]) => (a?.offset ?? 0) - (b?.offset ?? 0))) {
    const argument = `layout's ${name}`;
    if (!Array.isArray(place?.shape)) throw invalidArgument(argument, '{ offset, shape }', place);
    for (const extent of place.shape) checkInteger(`${argument}.shape`, extent, { low: 0 });
    const length = elementCount(place.shape);
    checkInteger(`${argument}.offset`, place.offset, {
      low: end,
      high: values.length - length,
      why: 'apart from others',
    });
    end = place.offset + length;
  }
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
