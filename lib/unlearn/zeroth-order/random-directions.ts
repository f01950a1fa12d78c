/**
 * Gradients from differences of the loss along random directions.
 *
 * Source: MeZO, Malladi et al. 2023, arXiv 2305.17333, definition 1 (SPSA of q directions).
 *
 * @module
 */

import { addNormal } from '../../core/vector-operations.ts';
import type { TermPlace } from '../descent-options.ts';
import type { Lab } from '../lab.ts';
import type { TermValue } from '../pull-back.ts';
import { checkMoves, type Estimator, movedFrom } from './differences.ts';
import { Movable } from './movable.ts';

export interface DirectionOptions {
  /** How far a step of a standard normal direction moves the weights. */
  readonly mu: number;
  /** Directions that the mean is of. */
  readonly directions: number;
  /**
   * `gradient` (default): the mean is the gradient, as mu goes to 0. `norm`: divided by sqrt(1 + (d + 1) / directions) for d weights
   * that move, which makes the expected square of its norm the gradient's.
   */
  readonly scale?: 'gradient' | 'norm';
}

/**
 * g = mean over directions z of (L(theta + mu z) - L(theta - mu z)) / (2 mu) * z. The z of a step are a function of (seed, step,
 * direction, weight) and the same for all terms. The values are put back to the bit after every term, whatever becomes of it.
 *
 * It keeps a copy of the values.
 */
export async function alongDirections(
  lab: Pick<Lab, 'model' | 'seed' | 'snapshot'>,
  options: DirectionOptions,
): Promise<Estimator> {
  const { mu, directions, scale = 'gradient' } = options;
  const { values, gradients, layout } = lab.model.parameters;
  const kept = await lab.snapshot();
  let movable: Movable | undefined;

  const estimate = async (place: TermPlace): Promise<TermValue> => {
    const stepped = movedFrom(values, place);
    movable ??= await Movable.of(layout, place.frozen, values.device);
    const { others, count } = movable;
    const draws = (direction: number) => ({
      seed: lab.seed,
      count: place.step * directions + direction,
      ...(others ? { frozen: others } : {}),
    });
    await kept.copyFrom(values);
    const from = values.dtype === 'f32' ? kept : stepped;
    const slopes: number[] = [];
    let loss = 0;
    let tokens = 0;
    try {
      for (let direction = 0; direction < directions && Number.isFinite(loss); direction++) {
        await addNormal(mu, from, values, draws(direction));
        if (place.step === 0 && direction === 0) await checkMoves(values, kept, mu);
        const up = await place.evaluate();
        await addNormal(-mu, from, values, draws(direction));
        const down = await place.evaluate();
        slopes.push((up.loss - down.loss) / (2 * mu));
        loss += (up.loss + down.loss) / (2 * directions);
        tokens = up.tokens;
      }
    } finally {
      await values.copyFrom(kept);
    }
    if (!Number.isFinite(loss)) return { loss, tokens };
    const divisor = scale === 'norm' ? Math.sqrt(1 + (count + 1) / directions) : 1;
    for (const [direction, slope] of slopes.entries()) {
      const factor = (place.coefficient * slope) / (directions * divisor);
      // What float32 cannot hold is the optimizer's to tell.
      if (Number.isFinite(Math.fround(factor))) await addNormal(factor, gradients, gradients, draws(direction));
      else await gradients.fill(Number.NaN);
    }
    return { loss, tokens };
  };
  return { estimate, release: async () => movable?.release() };
}
