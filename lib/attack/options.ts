/**
 * How attacks are made.
 *
 * @module
 */

import { checkBoolean, checkInteger, checkNumber, checkSeed, valueOr } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { QuantizationFormat } from './quantization/format.ts';
import { quantizationFormat } from './quantization/formats.ts';

export interface AttackOptions {
  /** Formats that the model is rounded to. Default `['nf4']`. */
  formats?: readonly string[];
  /** Share of the forget set that relearning sees, above 0, at most 1. Default 0.2. */
  share?: number;
  /** Steps of relearning; where a distance ends it, the most that there may be. Default 10. */
  steps?: number;
  /** Examples a step, and that are measured at a time. Default 8. */
  batchSize?: number;
  /** Of AdamW, constant. Default 1e-5. */
  learningRate?: number;
  /** Of AdamW. Default 0. */
  weightDecay?: number;
  /** Relearning ends where the weights have moved so far (|dW|, Euclidean); `steps` bounds it. */
  distance?: number;
  /** Whether later relearnings move the weights as far as the first did; `steps` bounds them. Default false. */
  equalDistance?: boolean;
  /** Of which examples are seen, and in which order. Default 0n. */
  seed?: bigint;
}

export interface CompleteAttackOptions extends Required<Omit<AttackOptions, 'formats' | 'distance'>> {
  readonly formats: readonly QuantizationFormat[];
  readonly distance: number | undefined;
}

/** The defaults, as help tells them. */
export const attackDefaults = {
  formats: ['nf4'],
  share: 0.2,
  steps: 10,
  batchSize: 8,
  learningRate: 1e-5,
  weightDecay: 0,
  equalDistance: false,
  seed: 0n,
} as const satisfies AttackOptions;

/** @throws SoulError SOUL_INVALID_ARGUMENT */
export function completeAttackOptions(options: AttackOptions = {}): CompleteAttackOptions {
  checkNames('options', options, [...(Object.keys(attackDefaults) as (keyof typeof attackDefaults)[]), 'distance']);
  const given = <Name extends keyof typeof attackDefaults>(name: Name) => valueOr(options[name], attackDefaults[name]);
  const formats = given('formats');
  if (!Array.isArray(formats) || formats.length === 0) throw invalidArgument('formats', 'at least one format', formats);
  const { distance } = options;
  return {
    formats: [...new Set(formats as readonly string[])].map(quantizationFormat),
    share: checkNumber('share', given('share'), { lowExclusive: true, high: 1 }),
    steps: checkInteger('steps', given('steps')),
    batchSize: checkInteger('batchSize', given('batchSize')),
    learningRate: checkNumber('learningRate', given('learningRate'), { lowExclusive: true }),
    weightDecay: checkNumber('weightDecay', given('weightDecay')),
    equalDistance: checkBoolean('equalDistance', given('equalDistance')),
    seed: checkSeed('seed', given('seed')),
    distance: distance === undefined ? undefined : checkNumber('distance', distance, { lowExclusive: true }),
  };
}
