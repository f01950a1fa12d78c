import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SoulError } from '../../lib/core/errors.ts';
import type { Objective, ObjectiveInput } from '../../lib/unlearn/objective.ts';
import { boundedCrossEntropy } from '../../lib/unlearn/objectives/bounded-cross-entropy.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { directPreference } from '../../lib/unlearn/objectives/direct-preference.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { negativePreference } from '../../lib/unlearn/objectives/negative-preference.ts';
import { saturatingAscent } from '../../lib/unlearn/objectives/saturating-ascent.ts';
import { simpleNegativePreference } from '../../lib/unlearn/objectives/simple-negative-preference.ts';
import { weightedAscent } from '../../lib/unlearn/objectives/weighted-ascent.ts';

// Multiples of 2^-10, so that a finite difference's steps are exact in float32.
const nats = fc.integer({ min: 0, max: 12 * 1024 }).map((n) => n / 1024);
const batches = fc
  .array(fc.array(fc.tuple(nats, nats), { minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 5 })
  .map((sequences): Required<Pick<ObjectiveInput, 'values' | 'offsets' | 'reference'>> => {
    const offsets = new Uint32Array(sequences.length + 1);
    for (const [i, sequence] of sequences.entries()) offsets[i + 1] = offsets[i]! + sequence.length;
    const flat = sequences.flat();
    return {
      offsets,
      values: Float32Array.from(flat, ([value]) => value),
      reference: Float32Array.from(flat, ([, value]) => value),
    };
  });

const objectives: [string, Objective][] = [
  ['cross-entropy', crossEntropy],
  ['gradient ascent', gradientAscent],
  ['NPO, beta 0.1', negativePreference()],
  ['NPO, beta 1', negativePreference({ beta: 1 })],
  ['NPO, mean reduction', negativePreference({ beta: 2.5, reduction: 'mean' })],
  ['SimNPO', simpleNegativePreference({ beta: 0.75 })],
  ['SimNPO with a margin', simpleNegativePreference({ beta: 0.75, margin: 1.5 })],
  ['bounded cross-entropy', boundedCrossEntropy],
  ['saturating ascent, 5 nats', saturatingAscent({ bound: 5 })],
  ['saturating ascent, 1 nat', saturatingAscent({ bound: 1 })],
];

describe.each(objectives)('%s', (_, objective) => {
  test('weights are the derivatives of the loss', () => {
    const step = 2 ** -6;
    fc.assert(
      fc.property(batches, fc.nat(), (batch, pick) => {
        const { weights } = objective(batch);
        const i = pick % batch.values.length;
        const lossAt = (shift: number) => {
          const values = batch.values.slice();
          values[i] = values[i]! + shift;
          return objective({ ...batch, values }).loss;
        };
        const difference = (lossAt(step) - lossAt(-step)) / (2 * step);
        expect(Math.abs(weights[i]! - difference)).toBeLessThan(1e-3 * Math.max(0.1, Math.abs(difference)));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('a batch split in two gives the same loss and weights', () => {
    fc.assert(
      fc.property(batches, fc.nat(), (batch, pick) => {
        const { values, offsets, reference } = batch;
        const sequences = offsets.length - 1;
        const cut = offsets[pick % (sequences + 1)]!;
        const whole = { tokens: values.length, sequences };
        const part = (begin: number, end: number) =>
          objective({
            values: values.slice(begin, end),
            reference: reference.slice(begin, end),
            offsets: offsets.filter((offset) => offset >= begin && offset <= end).map((offset) => offset - begin),
            whole,
          });
        const parts = [part(0, cut), part(cut, values.length)];
        const together = objective(batch);
        expect(parts[0]!.loss + parts[1]!.loss).toBeCloseTo(together.loss, 9);
        expect([...parts[0]!.weights, ...parts[1]!.weights]).toEqual([...together.weights]);
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  test('says truly whether its weights depend on the values', () => {
    const offsets = Uint32Array.of(0, 2, 3);
    const reference = Float32Array.of(1, 2, 3);
    const [first, second] = [Float32Array.of(0, 0, 0), Float32Array.of(4, 1, 9)].map(
      (values) => objective({ values, offsets, reference }).weights,
    );
    if (objective.linear) expect(first).toEqual(second);
    else expect(first).not.toEqual(second);
  });
});

describe('closed forms', () => {
  const offsets = Uint32Array.of(0, 2, 3);
  const values = Float32Array.of(1, 3, 2);

  test('cross-entropy is the mean over tokens', () => {
    const { loss, weights } = crossEntropy({ values, offsets });
    expect(loss).toBeCloseTo(2, 12);
    expect([...weights]).toEqual([...new Float32Array(3).fill(1 / 3)]);
  });

  test('gradient ascent is its opposite', () => {
    expect(gradientAscent({ values, offsets }).loss).toBeCloseTo(-2, 12);
  });

  test('NPO at the reference is (2 / beta) log 2, with weight -1 on each token', () => {
    const { loss, weights } = negativePreference({ beta: 0.1 })({ values, offsets, reference: values });
    expect(loss).toBeCloseTo((2 / 0.1) * Math.log(2), 10);
    expect([...weights]).toEqual([-0.5, -0.5, -0.5]);
  });

  test("NPO's weight is 2 pi^beta / (pi^beta + pi_ref^beta), the paper's adaptive weight", () => {
    const reference = Float32Array.of(0.5, 0.25, 1);
    const { weights } = negativePreference({ beta: 0.7 })({ values, offsets, reference });
    const expected = (policy: number, ref: number) => {
      const [p, r] = [Math.exp(-policy) ** 0.7, Math.exp(-ref) ** 0.7];
      return -((2 * p) / (p + r)) / 2;
    };
    expect(weights[0]).toBeCloseTo(expected(4, 0.75), 6);
    expect(weights[2]).toBeCloseTo(expected(2, 1), 6);
  });

  test('NPO becomes gradient ascent on sequence sums as beta goes to 0', () => {
    const reference = Float32Array.of(0.5, 0.25, 1);
    const { weights } = negativePreference({ beta: 1e-6 })({ values, offsets, reference });
    for (const weight of weights) expect(weight).toBeCloseTo(-1 / 2, 5);
  });

  test('NPO stays finite where a sequence is all but impossible, or all but certain', () => {
    const huge = { values: Float32Array.of(1e6), offsets: Uint32Array.of(0, 1), reference: Float32Array.of(0) };
    expect(negativePreference({ beta: 1 })(huge)).toEqual({ loss: 0, weights: Float32Array.of(-0) });
    const sure = { ...huge, values: Float32Array.of(0), reference: Float32Array.of(1e6) };
    const { loss, weights } = negativePreference({ beta: 1 })(sure);
    expect(loss).toBe(2e6);
    expect([...weights]).toEqual([-2]);
  });
});

describe('SimNPO', () => {
  test('is NPO by the mean against a reference of the margin', () => {
    const offsets = Uint32Array.of(0, 2, 5);
    const values = Float32Array.of(1, 3, 2, 0.5, 4);
    const input = { values, offsets };
    const simple = simpleNegativePreference({ beta: 2, margin: 0.25 })(input);
    const reference = new Float32Array(5).fill(0.25);
    const npo = negativePreference({ beta: 2, reduction: 'mean' })({ ...input, reference });
    expect(simple.loss).toBeCloseTo(npo.loss, 10);
    expect([...simple.weights]).toEqual([...npo.weights]);
  });
});

describe('direct preference', () => {
  /** Two pairs; in each the first sequence is preferred. */
  const offsets = Uint32Array.of(0, 1, 3, 5, 6);
  const reference = Float32Array.of(1, 0.5, 0.5, 2, 1, 0.25);
  const values = Float32Array.of(0.5, 1, 2, 2, 1, 3);

  test('is the mean over pairs of -(2 / beta) log sigmoid of the change of the log ratio', () => {
    const { loss, weights } = directPreference({ beta: 0.5 })({ values, offsets, reference });
    // Changes of nll: -0.5 and 2, 0 and 2.75.
    const margins = [0.5 * 2.5, 0.5 * 2.75];
    const expected = margins.map((margin) => 4 * Math.log1p(Math.exp(-margin)));
    expect(loss).toBeCloseTo((expected[0]! + expected[1]!) / 2, 6);
    const slopes = margins.map((margin) => 2 / (1 + Math.exp(margin)) / 2);
    const [first, second] = slopes as [number, number];
    for (const [i, slope] of [first, -first, -first, second, second, -second].entries()) {
      expect(weights[i]).toBeCloseTo(slope, 6);
    }
  });

  test('weights are the derivatives of the loss, by differences', () => {
    const objective = directPreference({ beta: 0.5 });
    const { weights } = objective({ values, offsets, reference });
    for (let i = 0; i < values.length; i++) {
      const lossAt = (shift: number) => {
        const moved = values.slice();
        moved[i] = moved[i]! + shift;
        return objective({ values: moved, offsets, reference }).loss;
      };
      expect(weights[i]).toBeCloseTo((lossAt(2 ** -6) - lossAt(-(2 ** -6))) / 2 ** -5, 4);
    }
  });

  test('refuses half a pair', () => {
    const odd = { values: Float32Array.of(1), offsets: Uint32Array.of(0, 1), reference: Float32Array.of(1) };
    expect(() => directPreference()(odd)).toThrow(/takes pairs of sequences, but found 1/);
  });
});

describe('weighted ascent', () => {
  const offsets = Uint32Array.of(0, 3);
  const values = Float32Array.of(0.25, 1, 4);

  test.each([[{}], [{ known: 2 }], [{ known: 5, unsure: 1 }]])(
    'with %p weighs tokens by p^known (1 - p)^unsure, held constant',
    (options) => {
      const { known = 1, unsure = 0 } = options as { known?: number; unsure?: number };
      const { loss, weights } = weightedAscent(options)({ values, offsets });
      const expected = [...values].map((nll) => (Math.exp(-nll) ** known * (1 - Math.exp(-nll)) ** unsure) / 3);
      expect(loss).toBeCloseTo(-expected.reduce((sum, weight, i) => sum + weight * values[i]!, 0), 6);
      for (const [i, weight] of expected.entries()) expect(weights[i]).toBeCloseTo(-weight, 6);
    },
  );

  test('with no exponents is gradient ascent', () => {
    const plain = weightedAscent({ known: 0 })({ values, offsets });
    expect(plain.loss).toBeCloseTo(gradientAscent({ values, offsets }).loss, 6);
    expect([...plain.weights]).toEqual([...gradientAscent({ values, offsets }).weights]);
  });

  test('stays finite at both ends', () => {
    const ends = { values: Float32Array.of(0, 1e6), offsets: Uint32Array.of(0, 2) };
    for (const objective of [weightedAscent({ known: 5, unsure: 1 }), boundedCrossEntropy]) {
      const { loss, weights } = objective(ends);
      expect([loss, ...weights].every(Number.isFinite)).toBe(true);
    }
  });
});

test('bounded cross-entropy lies between 0 and log 2, with the slope -p / (2 - p)', () => {
  const values = Float32Array.of(0, Math.log(2), 50);
  const { loss, weights } = boundedCrossEntropy({ values, offsets: Uint32Array.of(0, 3) });
  expect(loss).toBeCloseTo((Math.log(2) - Math.log(0.75)) / 3, 6);
  expect(weights[0]).toBeCloseTo(-1 / 3, 6);
  expect(weights[1]).toBeCloseTo(-0.5 / 1.5 / 3, 6);
  expect(weights[2]).toBeCloseTo(0, 6);
});

describe('bad input', () => {
  test.each([[Number.NaN], [0], [-1], [Number.POSITIVE_INFINITY]])('NPO refuses beta %p', (beta) => {
    expect(() => negativePreference({ beta })).toThrow(SoulError);
  });

  test.each<[string, () => unknown]>([
    ['SimNPO a beta of 0', () => simpleNegativePreference({ beta: 0 })],
    ['SimNPO an infinite margin', () => simpleNegativePreference({ margin: Number.NEGATIVE_INFINITY })],
    ['DPO a negative beta', () => directPreference({ beta: -1 })],
    ['WGA a negative exponent', () => weightedAscent({ known: -1 })],
    ['an unknown name', () => weightedAscent({ beta: 1 } as never)],
  ])('%s is refused', (_, make) => {
    expect(make).toThrow(SoulError);
  });

  test('NPO refuses missing or short reference values', () => {
    const tokens = { values: Float32Array.of(1, 2), offsets: Uint32Array.of(0, 2) };
    expect(() => negativePreference()(tokens)).toThrow(/reference must hold one value for each label token/);
    expect(() => negativePreference()({ ...tokens, reference: Float32Array.of(1) })).toThrow(SoulError);
  });
});

describe('saturating ascent', () => {
  const offsets = Uint32Array.of(0, 2, 3);

  test('is 1 - p of the label with a bound of 1 nat, and weighs it by p', () => {
    const p = [0.9, 0.25, 1e-6];
    const values = Float32Array.from(p, (each) => -Math.log(each));
    const { loss, weights } = saturatingAscent({ bound: 1 })({ values, offsets });
    expect(loss).toBeCloseTo(-p.reduce((sum, each) => sum + 1 - each, 0) / 3, 6);
    for (const [i, weight] of weights.entries()) expect(weight).toBeCloseTo(-p[i]! / 3, 7);
  });

  test('falls with every value, by no more than it rose, and never below its bound', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.float({ min: 0, max: 1e6, noNaN: true }),
        (bound, v) => {
          const at = (value: number) =>
            saturatingAscent({ bound })({ values: Float32Array.of(value), offsets: Uint32Array.of(0, 1) });
          const { loss, weights } = at(v);
          expect(loss).toBeGreaterThanOrEqual(-bound);
          expect(loss).toBeGreaterThanOrEqual(-v * (1 + 1e-12));
          expect(at(2 * v).loss).toBeLessThanOrEqual(loss);
          expect(weights[0]).toBeLessThanOrEqual(0);
          expect(weights[0]).toBeGreaterThanOrEqual(-1);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  test('is plain ascent by a bound without end, and stays finite where a token has become impossible', () => {
    const values = Float32Array.of(1, 3, 2);
    const { loss, weights } = saturatingAscent({ bound: 1e9 })({ values, offsets });
    expect(loss).toBeCloseTo(gradientAscent({ values, offsets }).loss, 6);
    expect([...weights]).toEqual(
      [...gradientAscent({ values, offsets }).weights].map((each) => expect.closeTo(each, 6)),
    );
    const gone = saturatingAscent({ bound: 2 })({ values: new Float32Array(3).fill(Infinity), offsets });
    expect(gone).toEqual({ loss: expect.closeTo(-2, 12), weights: Float32Array.of(-0, -0, -0) });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined])('refuses a bound of %p', (bound) => {
    expect(() => saturatingAscent({ bound: bound as number })).toThrow(/bound must be a finite number above 0/);
  });
});
