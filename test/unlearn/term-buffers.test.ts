import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { descend } from '../../lib/unlearn/descend.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import type { GradientRule } from '../../lib/unlearn/gradient-rule.ts';
import type { Method } from '../../lib/unlearn/method.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { retainSet, targetSet } from '../../lib/unlearn/source.ts';
import type { Term } from '../../lib/unlearn/term.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { NarrowModel } from './narrow-model.ts';
import { PlainDescent } from './plain-descent.ts';

const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
// One sequence, so that any draw is the same batch; it shares rows with the target's, and conflicts.
const retain: TokenSequence[] = [{ tokens: [1, 2, 3, 5], labelsFrom: 1 }];

const terms: [Term, Term] = [
  { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: 2 },
  { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 0.5 },
];

/** Runs a descent of steps on the whole sets, and gives what each step met. */
async function run(model: DifferentiableLM, own: Method, options: DescentOptions = {}) {
  const optimizer = new PlainDescent(model.parameters);
  const events = descend({ model, optimizer, sets: { target, retain } }, own, {
    steps: 3,
    batchSize: target.length,
    ...options,
  });
  for (let next = await events.next(); !next.done; ) next = await events.next();
  return optimizer.met;
}

/** The gradient of one term by itself at some weights. */
async function gradientAt(values: Float32Array, { objective, coefficient }: Term, sequences: readonly TokenSequence[]) {
  const model = BigramLM.of(8, values);
  await pullBack(model, { objective }, sequences, { microBatchSize: 8, coefficient: coefficient as number });
  return model.gradients;
}

async function gradientsAt(values: Float32Array): Promise<[Float32Array, Float32Array]> {
  return [await gradientAt(values, terms[0], target), await gradientAt(values, terms[1], retain)];
}

const inner = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** A rule that gives what it is told, and keeps what it was given. */
function watchedRule(coefficients: readonly number[], averages?: GradientRule['averages']) {
  const products: (readonly (readonly number[])[])[] = [];
  const rule: GradientRule = {
    name: 'watched',
    ...(averages ? { averages } : {}),
    combine(given, names) {
      expect(names).toEqual(['forget', 'retain']);
      products.push(given);
      return coefficients;
    },
  };
  return { rule, products };
}

const bfloat16 = async (numbers: Float32Array): Promise<Float32Array> => {
  const narrow = FlatBuffer.alloc(numbers.length, { dtype: 'bf16' });
  await narrow.copyFrom(numbers);
  return narrow.toFloat32Array();
};

afterEach(() => {
  jest.restoreAllMocks();
});

describe.each(['f32', 'bf16'] as const)('with a rule, in %s,', (dtype) => {
  const modelOf = async () => {
    const wide = BigramLM.random(8, 2n);
    return dtype === 'f32' ? wide : NarrowModel.of(wide);
  };
  const stored = async (numbers: Float32Array) => (dtype === 'f32' ? numbers : bfloat16(numbers));
  /** What rounding the sum to the gradients' dtype may cost. */
  const unit = dtype === 'f32' ? 2 ** -22 : 2 ** -8;

  test.each([8, 1])('gradients are the sum of those of two separate passes, %d sequences at a time', async (size) => {
    const { rule, products } = watchedRule([-1.5, 0.75]);
    const met = await run(await modelOf(), { name: 'own', terms, rule }, { microBatchSize: size });
    expect(met).toHaveLength(3);
    // Passes one after another are added up in the gradients' dtype.
    const slack = size === 8 ? 2 ** -21 : 4 * unit;
    for (const [step, { gradients, values }] of met.entries()) {
      const [forget, kept] = await Promise.all((await gradientsAt(values)).map(stored));
      for (const [i, found] of gradients.entries()) {
        const parts = [-1.5 * forget![i]!, 0.75 * kept![i]!];
        const bound = unit * Math.abs(parts[0]! + parts[1]!) + slack * (Math.abs(parts[0]!) + Math.abs(parts[1]!));
        expect(Math.abs(found - parts[0]! - parts[1]!)).toBeLessThanOrEqual(bound + 1e-8);
      }
      const gram = [forget!, kept!].map((a) => [forget!, kept!].map((b) => inner(a, b)));
      for (const [i, row] of products[step]!.entries()) {
        for (const [j, product] of row.entries()) {
          const scale = Math.sqrt(gram[i]![i]! * gram[j]![j]!);
          expect(Math.abs(product - gram[i]![j]!)).toBeLessThan(scale * (size === 8 ? 1e-5 : 8 * unit + 1e-5));
        }
      }
    }
  });

  test('running means follow their recursion, and stand behind the terms', async () => {
    const averages = [
      { of: 'retain', decay: 0.25 },
      { of: 'forget', decay: 0.875 },
    ];
    const { rule, products } = watchedRule([1, 0, -2, 0.5], averages);
    const met = await run(await modelOf(), { name: 'own', terms, rule });
    let [kept, gone]: (Float64Array | undefined)[] = [];
    const next = (mean: Float64Array | undefined, g: Float32Array, decay: number) =>
      Float64Array.from(g, (x, i) => (mean === undefined ? x : (1 - decay) * x + decay * mean[i]!));
    for (const [step, { gradients, values }] of met.entries()) {
      const [forget, retained] = await Promise.all((await gradientsAt(values)).map(stored));
      kept = next(kept, retained!, 0.25);
      gone = next(gone, forget!, 0.875);
      for (const [i, found] of gradients.entries()) {
        const expected = forget![i]! - 2 * kept[i]! + 0.5 * gone[i]!;
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(unit * Math.abs(expected) + 1e-6);
      }
      expect(products[step]).toHaveLength(4);
      expect(products[step]![1]![2]).toBeCloseTo(inner(retained!, Float32Array.from(kept)), 6);
      expect(products[step]![2]![3]).toBeCloseTo(inner(Float32Array.from(kept), Float32Array.from(gone)), 6);
    }
  });

  test('a buffer is held for each gradient that must be kept apart, and for each mean, until the end', async () => {
    const model = await modelOf();
    const alloc = jest.spyOn(FlatBuffer, 'alloc');
    const { rule } = watchedRule([1, 1, 0], [{ of: 'retain', decay: 0.5 }]);
    await run(model, { name: 'own', terms, rule });
    const made = alloc.mock.results.map(({ value }) => value as FlatBuffer);
    // In float32 the last gradient stays where it is; sums of bfloat16 are made apart from it.
    expect(made.map(({ length, dtype: kind }) => [length, kind])).toEqual(
      Array.from({ length: dtype === 'f32' ? 2 : 3 }, () => [model.parameters.values.length, 'f32']),
    );
    expect(made.every(({ released }) => released)).toBe(true);
  });

  test('without one nothing is allocated, and gradients add up where they are', async () => {
    const model = await modelOf();
    const alloc = jest.spyOn(FlatBuffer, 'alloc');
    const met = await run(model, { name: 'own', terms });
    expect(alloc).not.toHaveBeenCalled();
    alloc.mockRestore();
    for (const { gradients, values } of met) {
      const [forget, kept] = await gradientsAt(values);
      for (const [i, found] of gradients.entries()) {
        expect(Math.abs(found - forget[i]! - kept[i]!)).toBeLessThan(2 * unit * (Math.abs(forget[i]!) + 1e-3) + 4 * unit * Math.abs(kept[i]!)); // biome-ignore format: one line
      }
    }
  });
});

describe('a rule that is told wrongly', () => {
  test('averages a term that there is not', async () => {
    const alloc = jest.spyOn(FlatBuffer, 'alloc');
    const { rule } = watchedRule([1, 1, 0], [{ of: 'kept', decay: 0.5 }]);
    const model = BigramLM.random(8, 2n);
    alloc.mockClear();
    await expect(run(model, { name: 'own', terms, rule })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringContaining('forget or retain'),
    });
    expect(alloc.mock.results.every(({ value }) => (value as FlatBuffer).released)).toBe(true);
  });
});

describe('to first order', () => {
  const losses = async (values: Float32Array, own: Method) =>
    Promise.all(
      own.terms.map(async ({ objective, quantity = 'nll', source }) => {
        const model = BigramLM.of(8, values);
        const sequences = source === targetSet ? target : retain;
        const referenceModel = BigramLM.random(8, 2n);
        const reference = sequences.map(() => new Float32Array(3).fill(1));
        const compared = { referenceModel, ...(objective.needsReference ? { reference } : {}) };
        return (await pullBack(model, { objective, quantity }, sequences, { microBatchSize: 8, ...compared })).loss;
      }),
    );

  /** How each term's loss changes along a short step against the gradient that the optimizer met. */
  async function slopes(own: Method, start = BigramLM.random(8, 3n)) {
    const optimizer = new PlainDescent(start.parameters);
    const referenceModel = BigramLM.random(8, 2n);
    const events = descend({ model: start, optimizer, sets: { target, retain }, referenceModel }, own, {
      steps: 1,
      batchSize: target.length,
    });
    for (let next = await events.next(); !next.done; ) next = await events.next();
    const [{ gradients, values }] = optimizer.met as [(typeof optimizer.met)[0]];
    const norm = Math.sqrt(inner(gradients, gradients));
    const moved = (by: number) =>
      losses(
        values.map((x, i) => x - (by * gradients[i]!) / norm),
        own,
      );
    const [before, after] = [await moved(-0.01), await moved(0.01)];
    return { norm, slopes: before.map((loss, i) => (after[i]! - loss) / 0.02) };
  }

  test.each([{}, { normalised: false }, { kl: true }, { kl: true, normalised: false }])(
    'no term of MOLLM rises (%o)',
    async (settings) => {
      const { norm, slopes: found } = await slopes(method('mollm', settings));
      expect(norm).toBeGreaterThan(0);
      for (const slope of found) expect(slope).toBeLessThan(-1e-4);
    },
  );

  test.each(['pcgrad', 'ngdiff'] as const)('no term of %s rises', async (name) => {
    for (const slope of (await slopes(method(name, { forgetLoss: 'ascent' }))).slopes) expect(slope).toBeLessThan(1e-4);
  });

  test.each(['ascent', 'npo'] as const)('the retain loss of GRU does not rise with %s', async (forgetLoss) => {
    // With next to nothing added, the rectified gradient leaves it as it is; GradDiff's would raise it.
    const { slopes: found } = await slopes(method('gru', { forgetLoss, retainCoefficient: 1e-6 }));
    if (forgetLoss === 'ascent') expect(found[0]).toBeLessThan(-0.01);
    expect(Math.abs(found[1]!)).toBeLessThan(1e-4);
    expect((await slopes(method('gru', { forgetLoss }))).slopes[1]).toBeLessThan(-0.01);
    expect((await slopes(method('graddiff', { retainCoefficient: 1e-6 }))).slopes[1]).toBeGreaterThan(0.01);
  });

  test('gradients of 0 leave the weights as they are', async () => {
    // Every label is certain, so that no loss has a slope; MOLLM's bounded loss has none there either.
    const table = new Float32Array(64);
    for (const [previous, label] of [[0, 1], [1, 2], [2, 3], [3, 5]]) table[previous! * 8 + label!] = 1000; // biome-ignore format: one line
    const certain: TokenSequence[] = [{ tokens: [0, 1, 2, 3], labelsFrom: 1 }];
    for (const name of ['mollm', 'gru', 'pcgrad', 'ngdiff'] as const) {
      const model = BigramLM.of(8, table);
      const optimizer = new PlainDescent(model.parameters);
      const sets = { target: certain, retain };
      const events = descend({ model, optimizer, sets }, method(name), { steps: 1 });
      for (let next = await events.next(); !next.done; ) next = await events.next();
      expect(model.values.subarray(0, 64)).toEqual(table);
    }
  });
});

describe('a term of weight 0', () => {
  test.each([
    ['forgetCoefficient', 'retain'],
    ['retainCoefficient', 'forget'],
  ])('leaves GRU the other one (%s)', async (coefficient, left) => {
    const model = BigramLM.random(8, 3n);
    const [{ gradients, values }] = (await run(model, method('gru', { forgetLoss: 'ascent', [coefficient]: 0 }), {
      steps: 1,
    })) as [{ gradients: Float32Array; values: Float32Array }];
    const own = left === 'retain' ? { ...terms[1], coefficient: 1 } : { ...terms[0], coefficient: 1 };
    const expected = await gradientAt(values, own, left === 'retain' ? retain : target);
    for (const [i, found] of gradients.entries()) expect(found).toBeCloseTo(expected[i]!, 6);
  });
});
