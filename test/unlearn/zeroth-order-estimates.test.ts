import { describe, expect, test } from '@jest/globals';
import { gradientFree } from '../../lib/model/scored-lm.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { Lab, LabOptions } from '../../lib/unlearn/lab.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { targetSet } from '../../lib/unlearn/source.ts';
import { termLoss } from '../../lib/unlearn/term-loss.ts';
import { alongCoordinates } from '../../lib/unlearn/zeroth-order/coordinates.ts';
import type { Estimator } from '../../lib/unlearn/zeroth-order/differences.ts';
import { alongDirections } from '../../lib/unlearn/zeroth-order/random-directions.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { bfloat16Value, nearestBfloat16 } from '../native/bfloat16.ts';
import { NarrowModel } from './narrow-model.ts';
import { QuadraticLM } from './quadratic-model.ts';
import { all, count, distance, labOf, run, size, squared, target } from './zeroth-order-lab.ts';

/** The gradients that the steps of an estimator meet, for a term of cross-entropy on the target set. */
async function estimates(
  model: LabOptions['model'],
  estimator: (lab: Lab) => Estimator | Promise<Estimator>,
  { steps = 1, seed = 3n }: { steps?: number; seed?: bigint } = {},
): Promise<Float32Array[]> {
  const { lab, optimizer } = labOf(model, { steps, learningRate: 0 }, { seed });
  const own = await estimator(lab);
  const method = { name: 'plain', terms: [{ name: 'target', source: targetSet, objective: crossEntropy }] };
  await all(lab.descend(method, { hooks: { aroundTerm: (_, __, place) => own.estimate(place) } }));
  await own.release();
  await lab.release();
  return optimizer.met.map(({ gradients }) => gradients);
}

/** The gradient of cross-entropy on the target set, by the model's own derivative. */
async function truth(model: BigramLM): Promise<Float32Array> {
  const own = model.clone();
  await pullBack(own, { objective: crossEntropy }, target, { microBatchSize: 8 });
  return own.gradients.slice();
}

describe('estimates along random directions', () => {
  test.each([
    ['a quadratic function', () => gradientFree(new QuadraticLM(count)), async () => new QuadraticLM(count).gradient()],
    ['a bigram model', () => BigramLM.random(size, 2n), async () => truth(BigramLM.random(size, 2n))],
  ] as const)('have the gradient of %s for mean, and its variance', async (_, make, gradientOf) => {
    const gradient = await gradientOf();
    // Of E |z (z . g)|^2 = (d + 2) |g|^2.
    const expected = (directions: number) => ((count + 1) / directions) * squared(gradient);
    for (const directions of [16, 128, 1024]) {
      const steps = directions === 16 ? 64 : 16;
      const found = await estimates(make(), (lab) => alongDirections(lab, { mu: 0.05, directions }), { steps });
      const mean = found.reduce((sum, each) => sum + distance(each, gradient), 0) / steps;
      expect(mean / expected(directions)).toBeGreaterThan(0.75);
      expect(mean / expected(directions)).toBeLessThan(1.25);
    }
  });

  test('scaled by norm have its square for mean square', async () => {
    const gradient = new QuadraticLM(count).gradient();
    for (const directions of [1, 8]) {
      const found = await estimates(
        gradientFree(new QuadraticLM(count)),
        (lab) => alongDirections(lab, { mu: 0.05, directions, scale: 'norm' }),
        { steps: 512 },
      );
      const mean = found.reduce((sum, each) => sum + squared(each), 0) / found.length;
      expect(mean / squared(gradient)).toBeGreaterThan(0.8);
      expect(mean / squared(gradient)).toBeLessThan(1.2);
    }
  });

  test('are one direction for all terms of a step, another in each step, by the seed', async () => {
    const met = async (seed: bigint) => {
      const { lab, optimizer } = labOf(BigramLM.random(size, 2n), { steps: 2 }, { seed });
      await run('mezo', lab, { method: 'graddiff', mu: 0.01 });
      await lab.release();
      return optimizer.met.map(({ gradients }) => gradients);
    };
    const cosine = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, x, i) => sum + x * b[i]!, 0) / Math.sqrt(squared(a) * squared(b));
    const forget = await estimates(
      BigramLM.random(size, 2n),
      (lab) => alongDirections(lab, { mu: 0.01, directions: 1 }),
      { steps: 2 },
    );
    const [first, second] = (await met(3n)) as [Float32Array, Float32Array];
    expect(Math.abs(cosine(first, forget[0]!))).toBeCloseTo(1, 5);
    expect(Math.abs(cosine(second, forget[1]!))).toBeCloseTo(1, 5);
    expect(Math.abs(cosine(first, second))).toBeLessThan(0.5);
    expect(await met(3n)).toEqual([first, second]);
    expect(Math.abs(cosine((await met(4n))[0]!, first))).toBeLessThan(0.5);
  });
});

describe('estimates along coordinates', () => {
  test.each(['central', 'forward'] as const)('have the derivative, 0 elsewhere: %s', async (difference) => {
    const gradient = await truth(BigramLM.random(size, 2n));
    const errors = [];
    for (const mu of [0.8, 0.4, 0.2]) {
      const [found] = (await estimates(BigramLM.random(size, 2n), (lab) =>
        alongCoordinates(lab, { mu, coordinates: 500, difference }),
      )) as [Float32Array];
      expect([...found.subarray(count)].every((x) => x === 0)).toBe(true);
      errors.push(Math.sqrt(distance(found, gradient)));
    }
    // The order of the error, by which halving mu shrinks it.
    const order = difference === 'central' ? 2 : 1;
    expect(Math.log2(errors[0]! / errors[1]!)).toBeCloseTo(order, 0.5);
    expect(Math.log2(errors[1]! / errors[2]!)).toBeCloseTo(order, 0.5);
  });

  test('are of the coordinates of a step alone, as many as were asked for', async () => {
    const gradient = await truth(BigramLM.random(size, 2n));
    const found = await estimates(
      BigramLM.random(size, 2n),
      (lab) => alongCoordinates(lab, { mu: 0.05, coordinates: 20, difference: 'central' }),
      { steps: 40 },
    );
    const touched = new Float64Array(count);
    for (const each of found) {
      for (const [i, x] of each.entries()) {
        if (x === 0) continue;
        expect(Math.abs(x - gradient[i]!)).toBeLessThan(1e-4);
        touched[i]! += 1;
      }
      // Some derivatives are 0 themselves: rows that no sequence meets.
      expect([...each].filter((x) => x !== 0).length).toBeLessThanOrEqual(20);
    }
    const met = [...gradient.keys()].filter((i) => gradient[i] !== 0);
    for (const i of met) expect(touched[i]).toBeGreaterThan(0);
    const sum = met.reduce((total, i) => total + touched[i]!, 0);
    const expected = (40 * 20 * met.length) / count;
    expect(Math.abs(sum - expected)).toBeLessThan(4 * Math.sqrt(expected));
  });

  test.each(['magnitude', 'gradient'] as const)(
    'are drawn from the largest by %s where that is asked for',
    async (from) => {
      const model = BigramLM.random(size, 2n);
      const start = model.values.slice(0, count);
      const { lab, optimizer } = labOf(model, { steps: 30, learningRate: 0 });
      await run('deepzero', lab, { method: 'ascent', from, share: 0.25, coordinates: 4, mu: 0.01 });
      await lab.release();
      const touched = new Set(
        optimizer.met
          .slice(from === 'gradient' ? 1 : 0)
          .flatMap(({ gradients }) => [...gradients.keys()].filter((i) => gradients[i])),
      );
      const scores = from === 'magnitude' ? start : await truth(BigramLM.of(size, start));
      const rank = (i: number) => scores.filter((x) => Math.abs(x) > Math.abs(scores[i]!)).length;
      expect(touched.size).toBeLessThanOrEqual(16);
      if (from === 'magnitude') for (const i of touched) expect(rank(i)).toBeLessThan(16);
      // Estimates of 32 directions err; most of the largest are found.
      else expect([...touched].filter((i) => rank(i) < 16).length).toBeGreaterThan(0.5 * touched.size);
      expect(model.values.slice(0, count)).toEqual(start);
    },
  );
});

test('a bf16 coordinate has the slope between the places where it comes to lie', async () => {
  const start = BigramLM.random(size, 2n);
  const model = await NarrowModel.of(start);
  const values = Array.from(model.parameters.values.array, bfloat16Value);
  const adamw = new AdamW(model.parameters, { learningRate: 0 });
  const met: Float32Array[] = [];
  const { lab } = labOf(model, {}, { optimizer: () => adamw });
  const estimator = alongCoordinates(lab, { mu: 0.003, coordinates: 500, difference: 'central' });
  const method = { name: 'plain', terms: [{ name: 'target', source: targetSet, objective: crossEntropy }] };
  await all(
    lab.descend(method, {
      hooks: {
        aroundTerm: (_, __, place) => estimator.estimate(place),
        beforeStep: async () => void met.push(await model.parameters.gradients.toFloat32Array()),
      },
    }),
  );
  const lossAt = async (i: number, value: number) => {
    const other = BigramLM.of(size, values);
    other.values[i] = value;
    return (await termLoss(other, { objective: crossEntropy }, target, { microBatchSize: 8 })).loss;
  };
  for (let i = 0; i < count; i++) {
    const [up, down] = [0.003, -0.003].map((by) => nearestBfloat16(Math.fround(values[i]! + by)));
    const slope = up === down ? 0 : ((await lossAt(i, up!)) - (await lossAt(i, down!))) / (up! - down!);
    expect(Math.abs(met[0]![i]! - slope)).toBeLessThan(2 ** -8 * Math.abs(slope) + 1e-6);
  }
});
