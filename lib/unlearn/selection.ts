/**
 * Weights chosen by a score, so that the others can be frozen.
 *
 * @module
 */

import { walkElements } from '../core/element-walk.ts';
import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { copyOfMask, countFrozen, fillFrozen, freeze, maskOfRanges } from '../core/frozen-masks.ts';
import { elementCount } from '../core/shape.ts';
import { countNonFinite } from '../core/vector-operations.ts';
import type { ParameterPlace } from '../model/parameter-layout.ts';
import { rangesBeside } from '../model/tensor-masks.ts';
import type { Lab } from './lab.ts';

/**
 * How many weights the run may move: what shares are shares of. Neither padding nor frozen weights count.
 *
 * @param isCandidate of the tensors that count; all by default
 */
export async function movableCount(
  lab: Lab,
  isCandidate: (name: string, place: ParameterPlace) => boolean = () => true,
): Promise<number> {
  const bits = lab.frozen && (await copyOfMask(lab.frozen, 'cpu')).array;
  let count = 0;
  for (const [name, place] of lab.model.parameters.layout) {
    if (!isCandidate(name, place)) continue;
    const length = elementCount(place.shape);
    count += length - (bits ? countFrozen(bits, { start: place.offset, length }) : 0);
  }
  return count;
}

/**
 * Leaves the scores of candidates, and makes all others NaN, which quantiles leave out and no comparison meets: padding, weights that
 * the run has frozen, and tensors that are no candidates.
 *
 * @param argument what the user would change where nothing is left to choose from
 * @returns how many candidates there are
 * @throws SoulError SOUL_NON_FINITE for scores that are not finite; SOUL_INVALID_ARGUMENT where there is no candidate; SOUL_CANCELLED
 */
export async function leaveCandidates(
  lab: Lab,
  scores: FlatBuffer<'f32'>,
  argument: string,
  isCandidate: (name: string, place: ParameterPlace) => boolean,
): Promise<number> {
  await requireFiniteScores(scores);
  for (const { start, length } of rangesBeside(lab.model.parameters.layout, isCandidate)) {
    await scores.view(start, length).fill(Number.NaN);
  }
  if (lab.frozen) await fillFrozen(scores, lab.frozen, Number.NaN);
  const count = await movableCount(lab, isCandidate);
  if (count > 0) return count;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${argument} leaves no weight to choose from`, { argument });
}

/** @throws SoulError SOUL_NON_FINITE */
export async function requireFiniteScores(scores: FlatBuffer): Promise<void> {
  const count = await countNonFinite(scores);
  if (count === 0) return;
  throw new SoulError(
    'SOUL_NON_FINITE',
    `weights cannot be chosen: what they are chosen by is not finite for ${count} of them; the model may be damaged (\`soul eval\`)`,
    { count },
  );
}

/**
 * Freezes the weights that `isOut` holds for.
 *
 * @param mask one in which none is frozen yet, on any device
 * @param buffers what `isOut` is asked with, an element of each
 * @returns how many they are
 */
export async function freezeWhere(
  lab: Lab,
  mask: FlatBuffer<'u8'>,
  buffers: readonly FlatBuffer[],
  isOut: (first: number, second: number) => boolean,
): Promise<number> {
  const chosen = mask.device === 'cpu' ? mask : maskOfRanges(lab.model.parameters.values.length, []);
  const bits = chosen.array;
  let count = 0;
  await walkElements(
    buffers,
    ([first, second = first], start) => {
      for (let i = 0; i < first!.length; i++) {
        if (!isOut(first![i]!, second![i]!)) continue;
        freeze(bits, start + i);
        count += 1;
      }
    },
    cancellable(lab),
  );
  if (chosen !== mask) await mask.copyFrom(chosen);
  return count;
}

function cancellable({ signal }: Lab): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
