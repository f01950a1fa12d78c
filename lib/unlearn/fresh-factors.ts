/**
 * Adapters on their way out of the point that they begin at: while B is 0, A has no gradient, and so no curvature.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import { elementCount } from '../core/shape.ts';
import { squaredNorm } from '../core/vector-operations.ts';
import type { DifferentiableLM } from '../model/contract.ts';

/** The parts of a buffer that lie under one of the two factors. */
function parts({ parameters: { layout } }: DifferentiableLM, buffer: FlatBuffer, factor: 'A' | 'B'): FlatBuffer[] {
  return [...layout]
    .filter(([, place]) => place.factor === factor)
    .map(([, { offset, shape }]) => buffer.view(offset, elementCount(shape)));
}

/** Whether a model has adapters of which every B is 0. */
export async function isFresh(model: DifferentiableLM): Promise<boolean> {
  const all = parts(model, model.parameters.values, 'B');
  for (const part of all) if ((await squaredNorm(part)) !== 0) return false;
  return all.length > 0;
}

/** Takes what A would be moved by. */
export async function clearA(model: DifferentiableLM): Promise<void> {
  await Promise.all(parts(model, model.parameters.gradients, 'A').map((part) => part.fill(0)));
}
