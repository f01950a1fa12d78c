import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { mergeTies } from '../../lib/unlearn/ties.ts';

async function merged(vectors: readonly number[][], density: number, count?: number): Promise<number[]> {
  const buffers = await Promise.all(
    vectors.map(async (vector) => {
      const buffer = FlatBuffer.alloc(vector.length);
      await buffer.copyFrom(Float32Array.from(vector));
      return buffer;
    }),
  );
  await mergeTies(buffers, { density, ...(count === undefined ? {} : { count }) });
  // The others are as they were.
  expect(buffers.slice(1).map(({ array }) => [...array])).toEqual(vectors.slice(1));
  return [...buffers[0]!.array];
}

/** The paper's three steps, one after the other, by sorting. */
function plain(vectors: readonly number[][], density: number): number[] {
  const trimmed = vectors.map((vector) => {
    const sizes = vector.map(Math.abs).sort((a, b) => b - a);
    const least = sizes[Math.max(1, Math.round(density * sizes.length)) - 1]!;
    return vector.map((value) => (Math.abs(value) >= least ? value : 0));
  });
  return trimmed[0]!.map((_, i) => {
    const here = trimmed.map((vector) => vector[i]!);
    const sign = Math.sign(here.reduce((sum, value) => sum + value, 0));
    const agreeing = here.filter((value) => value !== 0 && Math.sign(value) === sign);
    return agreeing.length === 0 ? 0 : agreeing.reduce((sum, value) => sum + value, 0) / agreeing.length;
  });
}

describe('TIES', () => {
  test.each<[string, number[][], number, number[]]>([
    [
      'keeps the largest of each vector',
      [
        [1, 2, 3, -4, 5],
        [10, 0, 0, 0, 0],
      ],
      0.4,
      [10, 0, 0, -4, 5],
    ],
    [
      'takes the mean of those that are there alone',
      [
        [4, 0, 2],
        [2, 6, 0],
      ],
      1,
      [3, 6, 2],
    ],
    [
      'lets the larger sum of a sign win, whatever their number',
      [
        [1, 1],
        [1, 1],
        [-8, -1.5],
      ],
      1,
      [-8, 1],
    ],
    [
      'gives 0 where signs come to nothing',
      [
        [2, 1],
        [-2, 1],
      ],
      1,
      [0, 1],
    ],
    [
      'keeps all that are as large as the least that is kept',
      [
        [3, -3, 3, 1],
        [0, 0, 0, 7],
      ],
      0.25,
      [3, -3, 3, 7],
    ],
    [
      'keeps one at least',
      [
        [1, 2, 3],
        [3, 2, 1],
      ],
      0.001,
      [3, 0, 3],
    ],
    [
      'decides signs by what is kept',
      [
        [9, 1, 0],
        [-2, 0, 9],
        [-8, -9, 9],
      ],
      0.34,
      [9, -9, 9],
    ],
    [
      'leaves vectors of zeros',
      [
        [0, 0],
        [0, 0],
      ],
      0.5,
      [0, 0],
    ],
    ['of one vector is trimming', [[1, -2, 0.5, 0]], 0.5, [1, -2, 0, 0]],
  ])('%s', async (_, vectors, density, expected) => {
    expect(plain(vectors, density)).toEqual(expected);
    expect(await merged(vectors, density)).toEqual(expected);
  });

  test('takes its share of the weights alone, not of what vectors are filled up with', async () => {
    expect(await merged([[1, 2, 3, 4, 0, 0, 0, 0]], 0.5, 4)).toEqual([0, 0, 3, 4, 0, 0, 0, 0]);
  });

  test('is what the three steps give one after the other', async () => {
    const case_ = fc.integer({ min: 1, max: 4 }).chain((parts) =>
      fc.integer({ min: 1, max: 40 }).chain((length) =>
        fc.record({
          // Small integers and halves: sums are exact, and ties, zeros and conflicts of sign are frequent.
          vectors: fc.array(
            fc.array(
              fc.integer({ min: -6, max: 6 }).map((value) => value / 2),
              { minLength: length, maxLength: length },
            ),
            { minLength: parts, maxLength: parts },
          ),
          density: fc.constantFrom(0.01, 0.2, 0.5, 0.75, 1),
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(case_, async ({ vectors, density }) => {
        const positive = vectors.map((vector) => vector.map((value) => value + 0));
        const expected = plain(positive, density).map(Math.fround);
        expect((await merged(positive, density)).map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
      }),
    );
  });
});
