/**
 * Settings of a call as native code takes them: an array of numbers, read when the call is made.
 *
 * @module
 */

/** Slots by name, in the order in which native/addon/optimizer_calls.cpp numbers them. */
const slots = [
  'learningRate',
  'weightDecay',
  'beta1',
  'beta2',
  'epsilon',
  /** 0: no clipping. */
  'clipNorm',
  'maximize',
  'skipNonFinite',
  'zeroGradients',
  'stochasticRounding',
  'seedLower',
  'seedUpper',
  'denominatorMax',
  /** Above 0: rho is set from it at the first step. */
  'clippedFraction',
  'momentumBiasCorrection',
  'batchSize',
  'prime',
  'estimateClipped',
  'part',
  'parts',
  /** Sets rho from the clipped fraction at this step, though it is known. */
  'findRho',
] as const;

export type NativeSetting = (typeof slots)[number];

/** Numbers and flags by name; what is left out is 0. */
export type NativeSettings = Partial<Record<NativeSetting, number | boolean>>;

/** A setting's place in the array. */
const slotOf = Object.fromEntries(slots.map((name, slot) => [name, slot])) as Record<NativeSetting, number>;

/** Settings that one optimizer passes again and again, with what changes from call to call written over them. */
export class SettingsBlock {
  readonly numbers = new Float64Array(slots.length);

  constructor(settings: NativeSettings) {
    this.with(settings);
  }

  /** Writes over these settings and leaves the others; to be passed to native code at once. */
  with(settings: NativeSettings): Float64Array {
    for (const name in settings) this.numbers[slotOf[name as NativeSetting]] = Number(settings[name as NativeSetting]);
    return this.numbers;
  }
}

/** The two halves of a seed. */
export function seedHalves(seed: bigint): { seedLower: number; seedUpper: number } {
  return { seedLower: Number(seed & 0xffffffffn), seedUpper: Number(seed >> 32n) };
}
