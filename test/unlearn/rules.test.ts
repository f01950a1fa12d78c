import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type GradientRule, gramOf } from '../../lib/unlearn/gradient-rule.ts';
import { minNorm, simplexMinimum } from '../../lib/unlearn/rules/min-norm.ts';
import { normalisedDifference } from '../../lib/unlearn/rules/normalised-difference.ts';
import { gradientRectified, projectConflicts } from '../../lib/unlearn/rules/projection.ts';

type Vector = readonly number[];

const dot = (a: Vector, b: Vector) => a.reduce((sum, each, i) => sum + each * b[i]!, 0);
const gram = (vectors: readonly Vector[]) => vectors.map((a) => vectors.map((b) => dot(a, b)));
const length = (a: Vector) => Math.sqrt(dot(a, a));

/** The direction that a rule makes of some gradients. */
function combined(rule: GradientRule, vectors: readonly Vector[], names = ['forget', 'retain', 'kl']): number[] {
  const coefficients = rule.combine(gram(vectors), names.slice(0, vectors.length - (rule.averages?.length ?? 0)));
  return vectors[0]!.map((_, i) => vectors.reduce((sum, vector, k) => sum + coefficients[k]! * vector[i]!, 0));
}

const component = fc.integer({ min: -64, max: 64 }).map((n) => n / 8);
const vectorsOf = (count: number) =>
  fc.array(fc.array(component, { minLength: 4, maxLength: 4 }), { minLength: count, maxLength: count });

describe('min-norm (MOLLM)', () => {
  test('of orthogonal gradients of one length is their mean', () => {
    expect(
      combined(minNorm(), [
        [2, 0],
        [0, 2],
      ]),
    ).toEqual([1, 1]);
  });

  test('of equal gradients is that gradient', () => {
    for (const each of combined(minNorm(), [
      [1, 2],
      [1, 2],
    ]).map((x, i) => x - [1, 2][i]!))
      expect(each).toBeCloseTo(0, 12);
  });

  test('of opposite gradients is nothing: they are Pareto-stationary', () => {
    expect(
      combined(minNorm(), [
        [3, 1],
        [-3, -1],
      ]),
    ).toEqual([0, 0]);
    expect(
      combined(minNorm(), [
        [3, 1],
        [-6, -2],
      ]),
    ).toEqual([0, 0]);
  });

  test('leaves a gradient of 0 out', () => {
    expect(
      combined(minNorm(), [
        [0, 0],
        [1, 1],
      ]),
    ).toEqual([0.5, 0.5]);
    expect(
      combined(minNorm(), [
        [0, 0],
        [0, 0],
      ]),
    ).toEqual([0, 0]);
  });

  test('of two gradients has the closed form clip((g2 - g1) . g2 / |g1 - g2|^2, 0, 1)', () => {
    fc.assert(
      fc.property(vectorsOf(2), ([a, b]) => {
        const difference = a!.map((each, i) => each - b![i]!);
        fc.pre(dot(difference, difference) > 0);
        const expected = Math.min(1, Math.max(0, -dot(difference, b!) / dot(difference, difference)));
        expect(simplexMinimum(gram([a!, b!]))[0]).toBeCloseTo(expected, 9);
      }),
    );
  });

  test.each([2, 3, 4])('of %p gradients lowers each term at least as much as its own length asks', (count) => {
    fc.assert(
      fc.property(vectorsOf(count), fc.boolean(), (vectors, normalised) => {
        const direction = combined(minNorm({ normalised }), vectors, ['a', 'b', 'c', 'd']);
        // No term ascends along it, to first order; each descends alike where gradients have one length.
        for (const vector of vectors)
          expect(dot(vector, direction)).toBeGreaterThan(-1e-6 * (1 + length(vector) * length(direction)));
      }),
    );
  });

  test.each([2, 3])('no point of the hull of %p gradients is shorter', (count) => {
    fc.assert(
      fc.property(
        vectorsOf(count),
        fc.array(fc.nat(100), { minLength: count, maxLength: count }),
        (vectors, shares) => {
          const total = shares.reduce((sum, each) => sum + each, 0);
          fc.pre(total > 0);
          const products = gram(vectors);
          const square = (weights: Vector) =>
            dot(
              weights,
              products.map((row) => dot(row, weights)),
            );
          const other = square(shares.map((share) => share / total));
          expect(square(simplexMinimum(products))).toBeLessThanOrEqual(other + 1e-9 * (1 + other));
        },
      ),
    );
  });
});

describe('GRU', () => {
  const rule = gradientRectified('forget', 'retain');

  test('adds what agrees', () => {
    expect(
      combined(rule, [
        [1, 0],
        [1, 1],
        [1, 1],
      ]),
    ).toEqual([2, 1]);
  });

  test('takes the part against the running mean out of the forget gradient alone', () => {
    // f = (-1, 1) against a = (2, 0): its part along a goes.
    expect(
      combined(rule, [
        [-1, 1],
        [0, 3],
        [2, 0],
      ]),
    ).toEqual([0, 4]);
  });

  test('of a retain gradient of 0 is the forget gradient', () => {
    expect(
      combined(rule, [
        [-1, 1],
        [0, 0],
        [0, 0],
      ]),
    ).toEqual([-1, 1]);
  });

  test('never raises the retain loss of the running mean, to first order', () => {
    fc.assert(
      fc.property(vectorsOf(2), ([forget, retain]) => {
        const direction = combined(rule, [forget!, retain!, retain!]);
        expect(dot(direction, retain!)).toBeGreaterThanOrEqual(dot(retain!, retain!) * (1 - 1e-12) - 1e-9);
      }),
    );
  });

  test('asks for the running mean of the retain term', () => {
    expect(rule.averages).toEqual([{ of: 'retain', decay: 0.2 }]);
  });
});

describe('PCGrad', () => {
  test('adds what does not conflict', () => {
    expect(
      combined(projectConflicts(), [
        [1, 0],
        [1, 1],
      ]),
    ).toEqual([2, 1]);
    expect(
      combined(projectConflicts(), [
        [1, 0],
        [0, 1],
      ]),
    ).toEqual([1, 1]);
  });

  test('of opposite gradients is nothing', () => {
    expect(
      combined(projectConflicts(), [
        [2, 0],
        [-1, 0],
      ]),
    ).toEqual([0, 0]);
  });

  test('projects both ways', () => {
    const [f, r] = [
      [1, 0],
      [-1, 2],
    ];
    const product = dot(f!, r!);
    const expected = f!.map(
      (each, i) => each - (product / dot(r!, r!)) * r![i]! + r![i]! - (product / dot(f!, f!)) * each,
    );
    for (const [i, each] of combined(projectConflicts(), [f!, r!]).entries())
      expect(each).toBeCloseTo(expected[i]!, 12);
  });

  test('of two gradients raises neither', () => {
    fc.assert(
      fc.property(vectorsOf(2), (vectors) => {
        const direction = combined(projectConflicts(), vectors);
        for (const vector of vectors) expect(dot(direction, vector)).toBeGreaterThan(-1e-9);
      }),
    );
  });

  test('of a gradient of 0 is the other', () => {
    expect(
      combined(projectConflicts(), [
        [0, 0],
        [3, 1],
      ]),
    ).toEqual([3, 1]);
  });
});

describe('NGDiff', () => {
  test('gives each gradient the same length, and the sum that of the plain sum', () => {
    const direction = combined(normalisedDifference(), [
      [3, 0],
      [0, 4],
    ]);
    expect(direction[0]).toBeCloseTo(5, 12);
    expect(direction[1]).toBeCloseTo(5, 12);
  });

  test('leaves a gradient of 0 out', () => {
    expect(
      combined(normalisedDifference(), [
        [0, 0],
        [0, 4],
      ]),
    ).toEqual([0, 4]);
    expect(
      combined(normalisedDifference(), [
        [0, 0],
        [0, 0],
      ]),
    ).toEqual([0, 0]);
  });
});

describe.each([
  ['min-norm', minNorm()],
  ['min-norm of gradients as they are', minNorm({ normalised: false })],
  ['PCGrad', projectConflicts()],
  ['NGDiff', normalisedDifference()],
])('%s', (_, rule) => {
  test.each([1e-30, 1e-44])('is not led astray by a gradient of %p, which is nothing beside the other', (tiny) => {
    const coefficients = rule.combine(gram([[3, 4], [-tiny, -tiny]]), ['forget', 'retain']); // biome-ignore format: one line
    for (const each of coefficients) expect(Number.isFinite(Math.fround(each))).toBe(true);
    const found = combined(rule, [[3, 4], [-tiny, -tiny]]); // biome-ignore format: one line
    expect(found[0]! / found[1]!).toBeCloseTo(3 / 4, 6);
    expect(found[0]).toBeGreaterThan(0);
  });
});

test('min-norm refuses more terms than it can look at', () => {
  const nine = Array.from({ length: 9 }, (_, i) => Array.from({ length: 9 }, (_, j) => Number(i === j)));
  expect(() => minNorm().combine(nine, [])).toThrow('at most 8 terms, but there are 9');
});

describe('the Gram matrix', () => {
  test('of more buffers than one native call takes is that of pairs', async () => {
    const vectors = Array.from({ length: 6 }, (_, i) => [i + 1, (i * 3) % 5, -i]);
    const found = await gramOf(vectors.map((vector) => FlatBuffer.from(Float32Array.from(vector))));
    expect(found).toEqual(gram(vectors));
  });
});
