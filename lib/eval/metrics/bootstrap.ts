/**
 * Intervals of figures by resampling the items that they are computed from.
 *
 * @module
 */

import { checkInteger, checkNumber, checkSeed } from '../../core/checks.ts';
import { SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { randomStream } from '../../core/random.ts';

export interface BootstrapOptions {
  /** How often items are drawn; 1000 by default. */
  resamples?: number;
  /** Share of the resampled figures within the interval; 0.95 by default. */
  level?: number;
  /** Of the draws; 0n by default. */
  seed?: bigint;
}

/** Names of {@link BootstrapOptions}, for `checkNames`. */
export const bootstrapOptionNames = [
  'resamples',
  'level',
  'seed',
] as const satisfies readonly (keyof BootstrapOptions)[];

/** A figure of one or several groups of items. */
export interface Estimator {
  /** How many items each group has, under its name: groups of one name are drawn alike, so that figures can be compared. */
  readonly groups: readonly { readonly name: string; readonly size: number }[];
  /** The figure of the items with these indices, one array for each group. */
  readonly figure: (indices: readonly ArrayLike<number>[]) => number;
}

/** The figure of all items. */
export function figureOf(estimator: Estimator): number {
  return estimator.figure(estimator.groups.map(({ size }) => Uint32Array.from({ length: size }, (_, i) => i)));
}

/** Draws items; one object for figures that are to be drawn alike. */
export class Bootstrap {
  readonly resamples: number;
  readonly level: number;
  readonly #seed: bigint;
  readonly #draws = new Map<string, Uint32Array[]>();
  /** Of estimators that were drawn before, by the object. */
  readonly #drawn = new WeakMap<Estimator, Float64Array>();

  constructor(options: BootstrapOptions = {}) {
    checkNames('options', options, bootstrapOptionNames);
    const { resamples = 1000, level = 0.95, seed = 0n } = options;
    this.resamples = checkInteger('resamples', resamples, { high: 1_000_000 });
    this.level = checkNumber('level', level, { high: 1, lowExclusive: true, highExclusive: true });
    this.#seed = checkSeed('seed', seed);
  }

  /**
   * The percentile interval of a figure: items of each group are drawn with replacement, as many as there are, and of the figures that they
   * give the interval holds all but the lowest and the highest. It is a figure that was drawn on either side.
   *
   * B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
   *
   * @returns undefined where a group has fewer than two items, or a resample has no figure (NaN)
   * @throws SoulError SOUL_INVALID_ARGUMENT for a size that is none; SOUL_OUT_OF_MEMORY
   */
  interval(estimator: Estimator): readonly [low: number, high: number] | undefined {
    const figures = this.#figures(estimator);
    return figures && this.#percentiles(figures);
  }

  /**
   * The percentile interval of a figure's difference to another of the same items: both are computed of the same draws (a paired
   * bootstrap), so that what items have in common does not count.
   *
   * Efron and Tibshirani 1993, chapters 8 and 13.
   *
   * @param of what of each figure is compared, such as its distance to a number; the figure itself by default
   * @returns undefined where their groups are not the same, and as {@link interval}
   * @throws SoulError as {@link interval}
   */
  difference(
    one: Estimator,
    other: Estimator,
    of: (figure: number) => number = (figure) => figure,
  ): readonly [low: number, high: number] | undefined {
    const isPaired =
      one.groups.length === other.groups.length &&
      one.groups.every(({ name, size }, i) => name === other.groups[i]!.name && size === other.groups[i]!.size);
    if (!isPaired) return undefined;
    const [own, others] = [this.#figures(one), this.#figures(other)];
    return own && others && this.#percentiles(own.map((figure, k) => of(figure) - of(others[k]!)));
  }

  /** The figure of each resample, in the order of the draws; undefined where a group has fewer than two items. */
  #figures(estimator: Estimator): Float64Array | undefined {
    for (const [i, { size }] of estimator.groups.entries()) checkInteger(`groups[${i}].size`, size, { low: 0 });
    if (estimator.groups.some(({ size }) => size < 2)) return undefined;
    let figures = this.#drawn.get(estimator);
    if (figures === undefined) {
      const draws = estimator.groups.map(({ name, size }) => this.#drawsOf(name, size));
      figures = Float64Array.from({ length: this.resamples }, (_, k) =>
        estimator.figure(draws.map((ofGroup) => ofGroup[k]!)),
      );
      this.#drawn.set(estimator, figures);
    }
    return figures;
  }

  #percentiles(figures: Float64Array): readonly [low: number, high: number] | undefined {
    const sorted = figures.toSorted();
    // NaN is sorted to the end.
    if (Number.isNaN(sorted.at(-1))) return undefined;
    // 1 - 0.9 is a little less than 0.1.
    const cut = Math.floor(((1 - this.level) / 2) * sorted.length + 1e-9);
    return [sorted[cut]!, sorted[sorted.length - 1 - cut]!];
  }

  #drawsOf(name: string, size: number): Uint32Array[] {
    const key = `${name} ${size}`;
    let draws = this.#draws.get(key);
    if (draws === undefined) {
      const stream = randomStream(this.#seed, `bootstrap ${name}`);
      const all = spaceFor(this.resamples, size);
      for (let i = 0; i < all.length; i++) all[i] = stream.integer(size, Math.floor(i / size), i % size);
      draws = Array.from({ length: this.resamples }, (_, k) => all.subarray(k * size, (k + 1) * size));
      this.#draws.set(key, draws);
    }
    return draws;
  }
}

function spaceFor(resamples: number, size: number): Uint32Array {
  try {
    return new Uint32Array(resamples * size);
  } catch (cause) {
    const what = `${resamples} resamples of ${size} items`;
    throw new SoulError('SOUL_OUT_OF_MEMORY', `there is not enough memory for ${what}`, {}, { cause });
  }
}
