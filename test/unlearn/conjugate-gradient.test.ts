import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';
import { type ConjugateGradientOptions, conjugateGradient } from '../../lib/unlearn/conjugate-gradient.ts';
import { denseSolve } from './dense-solve.ts';

const size = 12;

/** B B^T with B of so many columns: of that rank. */
function semidefinite(rank: number, seed: bigint): number[][] {
  const stream = randomStream(seed, 'matrix');
  const half = Array.from({ length: size }, (_, i) =>
    Array.from({ length: rank }, (_, j) => 2 * stream.uniform(i, j) - 1),
  );
  return half.map((a) => half.map((b) => a.reduce((sum, value, k) => sum + value * b[k]!, 0)));
}

const right = Array.from({ length: size }, (_, i) => Math.fround(Math.sin(1 + i)));

async function solve(matrix: readonly (readonly number[])[], given: Partial<ConjugateGradientOptions> = {}, b = right) {
  const [residual, solution, direction, product] = Array.from({ length: 4 }, () => FlatBuffer.alloc(size));
  const buffers = { residual: residual!, solution: solution!, direction: direction!, product: product! };
  residual!.array.set(b);
  solution!.array.fill(7);
  const asked: number[] = [];
  async function* multiply(iteration: number): AsyncGenerator<number, void, void> {
    yield iteration;
    for (const [i, row] of matrix.entries()) {
      product!.array[i] = row.reduce((sum, value, j) => sum + value * direction!.array[j]!, 0);
    }
  }
  const steps = conjugateGradient(multiply, buffers, { damping: 0.1, tolerance: 1e-5, iterations: 50, ...given });
  for (;;) {
    const next = await steps.next();
    if (next.done) {
      return { ...next.value, asked, solution: [...solution!.array], residualVector: [...residual!.array] };
    }
    asked.push(next.value);
  }
}

const damped = (matrix: readonly (readonly number[])[], damping: number) =>
  matrix.map((row, i) => row.map((value, j) => (i === j ? value + damping : value)));

describe('conjugate gradients', () => {
  test.each([
    [12, 0.1],
    [12, 2],
    [3, 0.05],
  ])('of a matrix of rank %d, with damping %d, come to the dense solution', async (rank, damping) => {
    const matrix = semidefinite(rank, 3n);
    const expected = denseSolve(damped(matrix, damping), right);
    const { solution, iterations, residual, ended, asked } = await solve(matrix, { damping });
    const scale = Math.hypot(...expected);
    expect(Math.hypot(...expected.map((value, i) => solution[i]! - value)) / scale).toBeLessThan(1e-4);
    expect(ended).toBe('tolerance');
    expect(residual).toBeLessThanOrEqual(1e-5);
    expect(asked).toEqual(Array.from({ length: iterations }, (_, i) => i));
    // As many different eigenvalues as the rank says, and the damping; float32 takes a few more.
    expect(iterations).toBeLessThanOrEqual(rank < size ? rank + 1 : 3 * size);
  });

  test('leave the residual of what they come to', async () => {
    const matrix = semidefinite(size, 5n);
    const { solution, residual, residualVector, iterations, ended } = await solve(matrix, { iterations: 3 });
    expect([iterations, ended]).toEqual([3, 'iterations']);
    const found = damped(matrix, 0.1).map(
      (row, i) => right[i]! - row.reduce((sum, value, j) => sum + value * solution[j]!, 0),
    );
    for (const [i, value] of found.entries()) expect(residualVector[i]).toBeCloseTo(value, 5);
    expect(residual).toBeCloseTo(Math.hypot(...found) / Math.hypot(...right), 5);
    expect(residual).toBeGreaterThan(1e-5);
  });

  test('end before a direction along which the matrix is not positive', async () => {
    const matrix = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? -1 : 0)));
    expect(await solve(matrix)).toMatchObject({
      ended: 'curvature',
      iterations: 0,
      residual: 1,
      solution: right.map(() => 0),
    });
    const saddle = matrix.map((row, i) => row.map((value, j) => (i === j ? (i < 6 ? 3 : value) : value)));
    const { ended, solution } = await solve(saddle);
    expect(ended).toBe('curvature');
    expect(solution.every(Number.isFinite)).toBe(true);
  });

  test('of a right-hand side of 0 are 0, and of what is not finite are an error', async () => {
    const matrix = semidefinite(size, 5n);
    const none = await solve(
      matrix,
      {},
      right.map(() => 0),
    );
    expect(none).toMatchObject({ iterations: 0, ended: 'tolerance', solution: right.map(() => 0), asked: [] });
    const error = { code: 'SOUL_NON_FINITE' };
    await expect(solve(matrix, {}, [Number.NaN, ...right.slice(1)])).rejects.toMatchObject(error);
    await expect(solve(matrix.map((row) => row.map(() => Number.NaN)))).rejects.toMatchObject(error);
  });

  test('end when they are cancelled', async () => {
    await expect(solve(semidefinite(size, 5n), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
    });
  });

  test.each([{ damping: -1 }, { damping: Number.NaN }, { tolerance: -1 }, { iterations: 0 }, { steps: 1 }])(
    'refuse %j',
    async (given) => {
      await expect(solve(semidefinite(size, 5n), given)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    },
  );
});
