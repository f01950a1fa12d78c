/**
 * What the project holds itself to, as data; whether a goal was met is said from figures alone.
 *
 * On the CPU: two cores with AVX-512. On a GPU: an H100 or H200 with 2^28 weights.
 *
 * @module
 */

import type { Goal } from './results.ts';

/** Weights from which on the goals of a GPU hold. */
export const goalElements: number = 2 ** 28;

export const hostGoals = {
  /** Of the memory limit. */
  fractionOfLimit: atLeast(0.95),
  sophiaBesideFusedAdamW: atMost(0.87),
  adamWBesideFusedAdamW: atMost(1),
  clippedSophiaBesideFusedAdamW: atMost(0.9),
  bf16BesideF32: atMost(0.55),
  bf16SophiaBesideFusedAdamW: atMost(0.35),
  besideEagerSophia: atMost(1 / 12),
  /** Nanoseconds. */
  call: atMost(20_000),
} as const satisfies Readonly<Record<string, Goal>>;

export const deviceGoals = {
  /** Of the device's measured copy. */
  fractionOfCopy: atLeast(0.92),
  sophiaBesideFusedAdamW: atMost(0.87),
  bf16SophiaBesideFusedAdamW: atMost(0.5),
  /** Nanoseconds that the host spends on a step of a model of 150 tensors. */
  hostTime: atMost(50_000),
} as const satisfies Readonly<Record<string, Goal>>;

/** On either. */
export const tokenLossGoals = {
  time: atMost(1 / 3),
  memory: atMost(1 / 2),
} as const satisfies Readonly<Record<string, Goal>>;

/** Of whole-model work on the CPU, beside transformers with PyTorch. */
export const wholeModelGoals = {
  trainingInF32: atMost(0.7),
  trainingInBf16: atMost(1),
  generation: atMost(1),
  /** Of the whole process. */
  memory: atMost(1),
} as const satisfies Readonly<Record<string, Goal>>;

function atMost(value: number): Goal {
  return { bound: 'at most', value };
}

function atLeast(value: number): Goal {
  return { bound: 'at least', value };
}
