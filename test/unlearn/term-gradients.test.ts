import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { Optimizer } from '../../lib/optim/optimizer.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { methodOfRun } from '../../lib/run/run-defaults.ts';
import type { GradientRule } from '../../lib/unlearn/gradient-rule.ts';
import type { Method } from '../../lib/unlearn/method.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { retainSet, targetSet } from '../../lib/unlearn/source.ts';
import { train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const sequence = (...tokens: number[]): TokenSequence => ({ tokens, labelsFrom: 1 });
const target = [sequence(0, 1, 2), sequence(1, 3, 3)];
const retain = [sequence(3, 0, 1)];
const terms = [
  { name: 'forget', source: targetSet, objective: gradientAscent, coefficient: 2 },
  { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 3 },
];

/** An optimizer that changes nothing and keeps the gradients that it is given. */
function watcher(model: BigramLM): { optimizer: Optimizer; gradients: number[][] } {
  const gradients: number[][] = [];
  const step = async () => {
    const { gradients: buffer } = model.parameters;
    gradients.push([...(await buffer.toFloat32Array())]);
    await buffer.fill(0);
    return { step: gradients.length, skipped: false, stepped: 1, changedFraction: 0, gradientNorm: 1, groups: [] };
  };
  const optimizer = { parameters: model.parameters, learningRate: 1, state: { step: 0 }, step } as unknown as Optimizer;
  return { optimizer, gradients };
}

/** A model that leaves a number in the place of one derivative. */
function leaving(model: BigramLM, index: number, left: number): DifferentiableLM {
  return {
    parameters: model.parameters,
    vocabularySize: 5,
    nll: async (batch) => {
      const pass = await model.nll(batch);
      return {
        ...pass,
        backward: async (weights) => {
          await pass.backward(weights);
          model.gradients[index] = left;
        },
      };
    },
    klTo: (reference, batch) => model.klTo(reference, batch),
    score: (batch) => model.score(batch),
    accumulate: async (...given) => {
      const losses = await model.accumulate(...given);
      model.gradients[index] = left;
      return losses;
    },
  };
}

async function gradientsOf(rule: GradientRule | undefined, steps = 1, values?: Float32Array): Promise<number[][]> {
  const model = BigramLM.random(5, 1n);
  if (values) model.values.set(values);
  const { optimizer, gradients } = watcher(model);
  const method: Method = { name: 'own', terms, ...(rule ? { rule } : {}) };
  await train({ model, optimizer, method, target, retain, steps, batchSize: 2 });
  return gradients;
}

/** The gradient of one term by itself. */
async function alone(term: number): Promise<number[]> {
  const model = BigramLM.random(5, 1n);
  const { coefficient, ...own } = terms[term]!;
  const sequences = term === 0 ? target : [retain[0]!, retain[0]!];
  await pullBack(model, own, sequences, { microBatchSize: 8, coefficient });
  return [...model.parameters.gradients.array];
}

describe('gradients of terms', () => {
  test('add up without a rule', async () => {
    const [f, r] = [await alone(0), await alone(1)];
    const [sum] = await gradientsOf(undefined);
    for (const [i, each] of sum!.entries()) expect(each).toBeCloseTo(f[i]! + r[i]!, 5);
  });

  test('are apart where a rule sees them, coefficients first', async () => {
    const [f, r] = [await alone(0), await alone(1)];
    let seen: readonly (readonly number[])[] = [];
    const rule: GradientRule = {
      name: 'own',
      combine: (products, names) => {
        seen = products;
        expect(names).toEqual(['forget', 'retain']);
        return [0.5, -2];
      },
    };
    const [sum] = await gradientsOf(rule);
    for (const [i, each] of sum!.entries()) expect(each).toBeCloseTo(0.5 * f[i]! - 2 * r[i]!, 5);
    const dot = (a: number[], b: number[]) => a.reduce((total, each, i) => total + each * b[i]!, 0);
    expect(seen[0]![0]).toBeCloseTo(dot(f, f), 5);
    expect(seen[0]![1]).toBeCloseTo(dot(f, r), 5);
    expect(seen[1]![1]).toBeCloseTo(dot(r, r), 5);
  });

  test('have running means that begin with the first and follow with the share that the rule says', async () => {
    const model = BigramLM.random(5, 1n);
    const { optimizer, gradients } = watcher(model);
    const norms: number[] = [];
    const rule: GradientRule = {
      name: 'own',
      averages: [{ of: 'retain', decay: 0.25 }],
      combine: (products) => {
        norms.push(Math.sqrt(products[2]![2]!));
        return [0, 0, 1];
      },
    };
    let scale = 1;
    const retainTerm = {
      ...terms[1]!,
      objective: ((input) => {
        const { loss, weights } = crossEntropy(input);
        return { loss, weights: weights.map((weight) => weight * scale) };
      }) as typeof crossEntropy,
    };
    await train({
      model,
      optimizer,
      method: { name: 'own', terms: [terms[0]!, retainTerm], rule },
      target,
      retain,
      steps: 3,
      batchSize: 2,
      onStep: () => {
        scale *= 2;
      },
    });
    // The model stays, so its retain gradient is g, 2 g, 4 g.
    const g = await alone(1);
    for (const [step, share] of [1, 0.25 + 0.75 * 2, 0.25 * 1.75 + 0.75 * 4].entries()) {
      for (const [i, each] of gradients[step]!.entries()) expect(each).toBeCloseTo(share * g[i]!, 4);
    }
    expect(norms[0]).toBeCloseTo(Math.hypot(...g), 5);
  });

  test('that are not finite end the run with the names of the terms', async () => {
    const broken: GradientRule = { name: 'own', combine: () => [Number.NaN, 1] };
    await expect(gradientsOf(broken)).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      message: expect.stringContaining('the rule own gives the coefficients NaN, 1'),
    });
    const few: GradientRule = { name: 'own', combine: () => [1] };
    await expect(gradientsOf(few)).rejects.toThrow(/what the rule own gives must be 2 numbers/);
    const unknown: GradientRule = { name: 'own', averages: [{ of: 'nothing', decay: 0.5 }], combine: () => [] };
    await expect(gradientsOf(unknown)).rejects.toThrow(/the averages of the rule own must be of forget or retain/);
  });

  test('of frozen weights are 0 before a rule sees them, whatever they were', async () => {
    const model = BigramLM.random(5, 1n);
    const broken = leaving(model, 4, Number.NaN);
    const isFrozen = (i: number) => i >= 2 && i < 11;
    const { optimizer, gradients } = watcher(model);
    Object.assign(optimizer, { frozen: maskOfRanges(model.values.length, [{ start: 2, length: 9 }]) });
    const seen: (readonly (readonly number[])[])[] = [];
    const rule: GradientRule = {
      name: 'own',
      averages: [{ of: 'retain', decay: 0.5 }],
      combine: (products) => {
        seen.push(products);
        return [1, 1, 0];
      },
    };
    await train({
      model: broken,
      optimizer,
      method: { name: 'own', terms, rule },
      target,
      retain,
      steps: 2,
      batchSize: 2,
    });
    const [f, r] = [await alone(0), await alone(1)].map((g) => g.map((each, i) => (isFrozen(i) ? 0 : each)));
    const dot = (a: number[], b: number[]) => a.reduce((total, each, i) => total + each * b[i]!, 0);
    const expected = [f!, r!, r!].map((a) => [f!, r!, r!].map((b) => dot(a, b)));
    expect(seen).toHaveLength(2);
    for (const products of seen) {
      for (const [i, row] of products.entries()) {
        for (const [j, each] of row.entries()) expect(each).toBeCloseTo(expected[i]![j]!, 5);
      }
    }
    for (const sum of gradients) {
      for (const [i, each] of sum.entries()) expect(each).toBeCloseTo(f![i]! + r![i]!, 5);
    }
  });

  test.each(['gru', 'pcgrad', 'ngdiff', 'mollm'] as const)('of frozen weights change nothing: %s', async (name) => {
    const endOf = async (left: number | undefined) => {
      const model = BigramLM.random(5, 1n);
      const { parameters } = model;
      const frozen = maskOfRanges(model.values.length, [{ start: 2, length: 9 }]);
      const optimizers = {
        adamw: () => new AdamW(parameters, { learningRate: 0.01, frozen }),
        sophia: () => new Sophia(parameters, { learningRate: 0.01, frozen }),
      };
      const ends: number[] = [];
      for (const make of Object.values(optimizers)) {
        const optimizer = make();
        expect(optimizer.frozen).toBe(frozen);
        await train({
          model: left === undefined ? model : leaving(model, 4, left),
          optimizer,
          method: methodOfRun(name),
          target,
          retain,
          steps: 3,
          batchSize: 2,
        });
        ends.push(...model.values);
      }
      return ends;
    };
    const expected = await endOf(undefined);
    expect(expected).not.toEqual([...BigramLM.random(5, 1n).values, ...BigramLM.random(5, 1n).values]);
    for (const left of [1e6, -1e6, Number.POSITIVE_INFINITY]) expect(await endOf(left)).toEqual(expected);
  });

  test('take memory of their own only where a rule needs it', async () => {
    const { length } = BigramLM.random(5, 1n).parameters.values;
    const alloc = FlatBuffer.alloc;
    let made = 0;
    FlatBuffer.alloc = ((...given: Parameters<typeof alloc>) => {
      if (given[0] === length) made += 1;
      return alloc.apply(FlatBuffer, given);
    }) as typeof alloc;
    try {
      const count = async (rule?: GradientRule) => {
        made = 0;
        await gradientsOf(rule);
        const all = made;
        made = 0;
        return all;
      };
      const plain = await count();
      const two = await count({ name: 'own', combine: () => [1, 1] });
      const averaged = await count({ name: 'own', averages: [{ of: 'retain', decay: 0.5 }], combine: () => [1, 1, 0] });
      // The last gradient stays where it was computed.
      expect([two - plain, averaged - plain]).toEqual([1, 2]);
    } finally {
      FlatBuffer.alloc = alloc;
    }
  });
});
