/**
 * What all estimates from differences of losses have in common.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { type FlatBuffer, isSameMemory } from '../../core/flat-buffer.ts';
import type { Releasable } from '../../core/release.ts';
import { squaredNorm } from '../../core/vector-operations.ts';
import type { TermPlace } from '../descent-options.ts';
import { type Method, weightedTerms } from '../method.ts';
import type { TermValue } from '../pull-back.ts';

/** Makes a term's gradient of differences of its loss. The loss that it gives is that of the points where it was taken. */
export interface Estimator extends Releasable {
  estimate(place: TermPlace): Promise<TermValue>;
}

/**
 * Refuses a method whose loss a difference would not be the derivative of.
 *
 * @throws SoulError SOUL_UNSUPPORTED
 */
export function checkDifferences(method: Method): void {
  for (const { name, quantity } of weightedTerms(method)) {
    if (typeof quantity !== 'object' || quantity.kind !== 'target' || quantity.from !== 'self') continue;
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `the ${name} term of ${method.name} takes the model's own distribution as constant, which a difference of losses cannot; ` +
        'take another method inside',
      { method: method.name, term: name },
    );
  }
}

/**
 * The numbers from which weights are moved: the float32 ones that the optimizer steps.
 *
 * @throws SoulError SOUL_UNSUPPORTED where it steps bf16 values
 */
export function movedFrom(values: FlatBuffer, { stepped }: TermPlace): FlatBuffer {
  if (values.dtype === 'f32' || !isSameMemory(values, stepped)) return stepped;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    "zeroth-order steps need weights in float32 (dtype f32), or the optimizer's float32 master of bf16 ones (precision.master): " +
      'bf16 itself would lose most of what is moved',
    { dtype: values.dtype },
  );
}

/**
 * Refuses a step from theta that float32 loses: nothing but decay would change the weights, without a word.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export async function checkMoves(values: FlatBuffer, kept: FlatBuffer, mu: number): Promise<void> {
  if ((await squaredNorm(values)) !== (await squaredNorm(kept))) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `mu = ${mu} moves no weight: beside the weights, ${values.dtype} loses it; 1e-3 is usual`,
    { argument: 'mu', mu },
  );
}
