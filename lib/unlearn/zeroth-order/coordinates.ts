/**
 * Gradients from differences of the loss along single weights.
 *
 * Source: DeepZero, Chen et al. 2023, arXiv 2310.02025, equation CGE.
 *
 * @module
 */

import { FlatBuffer } from '../../core/flat-buffer.ts';
import { randomStream } from '../../core/random.ts';
import type { TermPlace } from '../descent-options.ts';
import type { Lab } from '../lab.ts';
import type { TermValue } from '../pull-back.ts';
import { type Estimator, movedFrom } from './differences.ts';
import { Movable } from './movable.ts';

export interface CoordinateOptions {
  /** How far a weight is moved. */
  readonly mu: number;
  /** Weights a step. */
  readonly coordinates: number;
  /** `forward`: L(theta + mu e) - L(theta), an error of order mu; `central`: L(theta + mu e) - L(theta - mu e), of order mu^2. */
  readonly difference: 'forward' | 'central';
}

/**
 * g_i = (L(theta + mu e_i) - L(theta)) / mu, or the central difference, for some weights i of each step, 0 for all others. Which ones
 * is a function of (seed, step), the same for all terms. Each is put back to the bit before the next one, whatever becomes of it.
 */
export function alongCoordinates(lab: Pick<Lab, 'model' | 'seed'>, options: CoordinateOptions): Estimator {
  const { mu, difference } = options;
  const { values, gradients, layout } = lab.model.parameters;
  const kept = FlatBuffer.alloc(1, { dtype: values.dtype, device: values.device });
  let movable: Movable | undefined;

  const estimate = async (place: TermPlace): Promise<TermValue> => {
    const stepped = movedFrom(values, place);
    movable ??= await Movable.of(layout, place.frozen, values.device);
    const chosen = drawn(movable, options.coordinates, lab.seed, place.step);
    const here = difference === 'forward' ? await place.evaluate() : undefined;
    if (here !== undefined && !Number.isFinite(here.loss)) return here;
    let sum = 0;
    let tokens = here?.tokens ?? 0;
    for (const index of chosen) {
      const one = values.view(index, 1);
      const start = (await stepped.view(index, 1).toFloat32Array())[0]!;
      const at = async (by: number) => {
        await one.copyFrom(Float32Array.of(start + by));
        // Where it comes to lie when it is rounded: the difference is of that.
        return { place: (await one.toFloat32Array())[0]!, ...(await place.evaluate()) };
      };
      await kept.copyFrom(one);
      let slope: number;
      try {
        const up = await at(mu);
        const down = here ? { ...here, place: (await kept.toFloat32Array())[0]! } : await at(-mu);
        const distance = up.place - down.place;
        slope = distance === 0 ? 0 : (up.loss - down.loss) / distance;
        sum += (up.loss + down.loss) / 2;
        tokens = up.tokens;
      } finally {
        await one.copyFrom(kept);
      }
      if (!Number.isFinite(sum)) return { loss: sum, tokens };
      const gradient = gradients.view(index, 1);
      const before = (await gradient.toFloat32Array())[0]!;
      await gradient.copyFrom(Float32Array.of(before + place.coefficient * slope));
    }
    return here ?? { loss: sum / chosen.length, tokens };
  };
  return {
    estimate,
    release: async () => {
      await movable?.release();
      await kept.release();
    },
  };
}

/** Indices of `count` movable weights, each at most once; all where there are no more. */
function drawn(movable: Movable, count: number, seed: bigint, step: number): number[] {
  if (count >= movable.count) return Array.from({ length: movable.count }, (_, rank) => movable.at(rank));
  const stream = randomStream(seed, 'coordinates');
  const ranks = new Set<number>();
  for (let draw = 0; ranks.size < count; draw++) {
    ranks.add(Number(stream.seed64(step, draw) % BigInt(movable.count)));
  }
  return [...ranks].map((rank) => movable.at(rank));
}
