/**
 * Conjugate gradients over flat buffers: a linear system solved by products with its matrix alone.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../core/cancellation.ts';
import { checkInteger, checkNumber } from '../core/checks.ts';
import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { checkNames } from '../core/option-names.ts';
import { axpy, dot, scale, squaredNorm } from '../core/vector-operations.ts';

/** Memory of one length, on one device, no two overlapping. */
export interface ConjugateGradientBuffers {
  /** Holds b; then the residual b - (A + damping I) x. */
  readonly residual: FlatBuffer<'f32'>;
  /** Overwritten: begins at 0 and becomes x. */
  readonly solution: FlatBuffer<'f32'>;
  /** Overwritten: what `multiply` is asked about. */
  readonly direction: FlatBuffer<'f32'>;
  /** Overwritten: where `multiply` leaves its product. */
  readonly product: FlatBuffer<'f32'>;
}

export interface ConjugateGradientOptions extends Cancellable {
  /** Added to the diagonal; at least 0. */
  readonly damping: number;
  /** It ends where the residual is this share of b, by length; 0: never for that. */
  readonly tolerance: number;
  /** At most so many products. */
  readonly iterations: number;
}

export interface ConjugateGradientResult {
  readonly iterations: number;
  /** |b - (A + damping I) x| / |b|, as the iteration carries it along. */
  readonly residual: number;
  /** `curvature`: a direction along which the damped matrix is not positive; the solution is that before it. */
  readonly ended: 'tolerance' | 'iterations' | 'curvature';
}

/** How far the iteration has come, beside what is in the buffers. */
export type ConjugateGradientState = {
  /** |b|^2 */
  readonly whole: number;
  /** The square of the residual's length. */
  readonly left: number;
  /** Products that count in the solution. */
  readonly iterations: number;
  readonly ended: ConjugateGradientResult['ended'] | null;
};

/** An iteration's work, or something around it that comes to the same state and the same buffers but for `product`. */
type AroundIteration<Event> = (
  iteration: number,
  work: () => AsyncGenerator<Event, ConjugateGradientState, void>,
) => AsyncGenerator<Event, ConjugateGradientState, void>;

/**
 * Solves (A + damping I) x = b for a symmetric positive semidefinite A. Vectors are float32, inner products float64.
 *
 * Source: Hestenes and Stiefel 1952, Journal of Research of the NBS 49, section 3.
 *
 * @param multiply leaves A times `direction` in `product`, and may yield what it has to say; called once an iteration
 * @param around does the work of an iteration; so may give one that was done before, and is kept, in its place
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NON_FINITE where b, or a product, is not finite; SOUL_CANCELLED; what `multiply` throws
 */
export async function* conjugateGradient<Event>(
  multiply: (iteration: number) => AsyncGenerator<Event, void, void>,
  buffers: ConjugateGradientBuffers,
  options: ConjugateGradientOptions,
  around: AroundIteration<Event> = (_, work) => work(),
): AsyncGenerator<Event, ConjugateGradientResult, void> {
  checkNames('options', options, ['damping', 'tolerance', 'iterations', 'signal']);
  const damping = checkNumber('damping', options.damping);
  const tolerance = checkNumber('tolerance', options.tolerance);
  const most = checkInteger('iterations', options.iterations);
  let state: ConjugateGradientState | undefined;
  for (let iteration = 0; iteration < most && !state?.ended; iteration++) {
    const before = state;
    state = yield* around(iteration, async function* () {
      const begun = before ?? (await begin(buffers));
      if (begun.ended) return begun;
      throwIfCancelled(options.signal, `conjugate gradients were cancelled after ${iteration} iterations`);
      yield* multiply(iteration);
      return advance(buffers, begun, { damping, tolerance });
    });
  }
  const { whole, left, iterations, ended } = state!;
  return { iterations, residual: whole === 0 ? 0 : Math.sqrt(left / whole), ended: ended ?? 'iterations' };
}

async function begin({ residual, solution, direction }: ConjugateGradientBuffers): Promise<ConjugateGradientState> {
  await solution.fill(0);
  await direction.copyFrom(residual);
  const whole = finite(await squaredNorm(residual), 'the right-hand side', 0);
  return { whole, left: whole, iterations: 0, ended: whole === 0 ? 'tolerance' : null };
}

/** An iteration, with the product of its direction there. */
async function advance(
  { residual, solution, direction, product }: ConjugateGradientBuffers,
  { whole, left, iterations }: ConjugateGradientState,
  { damping, tolerance }: Pick<ConjugateGradientOptions, 'damping' | 'tolerance'>,
): Promise<ConjugateGradientState> {
  await axpy(damping, direction, product);
  const curvature = finite(await dot(direction, product), 'the curvature', iterations);
  if (curvature <= 0) return { whole, left, iterations, ended: 'curvature' };
  const step = left / curvature;
  await axpy(step, direction, solution);
  await axpy(-step, product, residual);
  const next = await squaredNorm(residual);
  const done = { whole, left: next, iterations: iterations + 1 };
  if (Math.sqrt(next / whole) <= tolerance) return { ...done, ended: 'tolerance' };
  await scale(direction, next / left);
  await axpy(1, residual, direction);
  return { ...done, ended: null };
}

function finite(value: number, what: string, iteration: number): number {
  if (Number.isFinite(value)) return value;
  throw new SoulError('SOUL_NON_FINITE', `${what} of conjugate gradients is ${value} in iteration ${iteration}`, {
    iteration,
  });
}
