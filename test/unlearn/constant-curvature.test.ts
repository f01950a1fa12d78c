import { describe, expect, test } from '@jest/globals';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia, type SophiaOptions } from '../../lib/optim/sophia.ts';
import { passesOf } from '../../lib/run/memory-plan.ts';
import { chooseAlgorithm } from '../../lib/run/run-defaults.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { completeCurvatureOptions, curvaturePlan } from '../../lib/unlearn/curvature.ts';
import { descend } from '../../lib/unlearn/descend.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { algorithm, method } from '../../lib/unlearn/registry.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { resumeEverywhere, sets, size } from './journal-runs.ts';
import { WatchedModel } from './watched-model.ts';

// Of so few chunks an estimate would ride on the retain term's passes.
const curvature = { labels: 'none', every: 2, chunks: 2, chunkSize: 1, primingChunks: 3 } as const;
const weights = size ** 2;
const [beta1, learningRate, weightDecay, epsilon] = [0.9, 0.01, 0.1, 1e-15];

const sophiaOf = (model: DifferentiableLM, options: SophiaOptions) =>
  new Sophia(model.parameters, { learningRate, weightDecay, epsilon, betas: [beta1, 0.99], ...options });

/** A descent, with values and gradients as each step met them, and the values after the last. */
async function run(model: WatchedModel, optimizer: AdamW | Sophia, options: DescentOptions = {}) {
  const met: { values: Float32Array; gradients: Float32Array; hessian: Float32Array }[] = [];
  const state = async () => ({
    values: await model.parameters.values.toFloat32Array(),
    gradients: await model.parameters.gradients.toFloat32Array(),
    hessian: optimizer instanceof Sophia ? await optimizer.state.hessian.toFloat32Array() : new Float32Array(),
  });
  const step = optimizer.step.bind(optimizer);
  optimizer.step = async (given: Parameters<typeof step>[0]) => {
    met.push(await state());
    return step(given);
  };
  const events: StepEvent[] = [];
  const input = { model, optimizer, sets, seed: 4n };
  for await (const event of descend(input, method('graddiff'), { steps: 5, batchSize: 2, ...options })) {
    if (event.kind === 'step') events.push(event);
  }
  return { met, events, last: await state() };
}

const bigram = () => new WatchedModel(BigramLM.random(size, 5n), { keepsPasses: true });

describe('without labels the curvature is 1 for every weight', () => {
  test('steps are the momentum over rho, clipped, in closed form', async () => {
    const model = bigram();
    const rho = 0.02;
    const { met, last } = await run(model, sophiaOf(model, { rho }), { curvature });
    const momentum = new Float64Array(weights);
    const all = [...met, last];
    let clipped = 0;
    for (const [step, { values, gradients, hessian }] of met.entries()) {
      expect([...hessian.slice(0, weights)]).toEqual(new Array(weights).fill(1));
      // Padding has no curvature.
      expect(hessian.slice(weights).every((h) => h === 0)).toBe(true);
      for (let i = 0; i < weights; i++) {
        momentum[i] = beta1 * momentum[i]! + (1 - beta1) * gradients[i]!;
        const ratio = Math.abs(momentum[i]!) / (rho + epsilon);
        if (ratio >= 1) clipped += 1;
        const decayed = values[i]! * (1 - learningRate * weightDecay);
        const expected = decayed - learningRate * Math.sign(momentum[i]!) * Math.min(1, ratio);
        expect(Math.abs(all[step + 1]!.values[i]! - expected)).toBeLessThan(1e-6);
      }
    }
    // Both kinds of steps were taken.
    expect(clipped).toBeGreaterThan(10);
    expect(clipped).toBeLessThan(5 * weights - 10);
  });

  test('costs no pass of the model, and is told as an estimate of nothing', async () => {
    const [model, plain] = [bigram(), bigram()];
    const { events } = await run(model, sophiaOf(model, { rho: { clippedFraction: 0.2 } }), { curvature });
    await run(plain, new AdamW(plain.parameters, { learningRate }));
    expect(model.calls).toEqual(plain.calls);
    expect(model.held.size).toBe(0);
    const told = events.filter((event) => event.curvature);
    expect(told.map(({ step }) => step)).toEqual([1, 3, 5]);
    for (const { curvature: estimate } of told) {
      expect(estimate).toMatchObject({ riding: false, sequences: 0, tokens: 0, skippedChunks: 0 });
    }
  });

  test.each([false, true])('a fraction finds rho among the weights, without a warning (follow: %s)', async (follow) => {
    const model = bigram();
    const optimizer = sophiaOf(model, { rho: { clippedFraction: 0.25, follow } });
    const { met, events } = await run(model, optimizer, { curvature });
    expect(events.every(({ statistics }) => statistics.warning === undefined)).toBe(true);
    const { rho } = events[0]!.statistics;
    // At the first step the bias-corrected momentum is the gradient.
    const above = [...met[0]!.gradients.slice(0, weights)].filter((g) => Math.abs(g) >= rho! * (1 - 1e-6)).length;
    expect(Math.abs(above - 0.25 * weights)).toBeLessThanOrEqual(1);
    const rhos = new Set(events.map(({ statistics }) => statistics.rho));
    expect(rhos.size).toBe(follow ? 3 : 1);
  });

  test('a run is resumed from every place with the same bits', async () => {
    await resumeEverywhere({
      algorithm: algorithm('graddiff'),
      optimizer: ({ parameters }, options) =>
        new Sophia(parameters, { learningRate: 0.01, rho: { clippedFraction: 0.25, follow: true }, ...options }),
      descent: { steps: 5, batchSize: 2, curvature },
    });
  });

  test('an optimizer that held an estimate holds 1 from the first step on', async () => {
    const model = bigram();
    const optimizer = sophiaOf(model, { rho: 0.02 });
    await model.parameters.gradients.fill(3);
    await optimizer.updateHessian({ batchSize: 7, prime: true, zeroGradients: true });
    const { met } = await run(model, optimizer, { curvature, steps: 1 });
    expect([...met[0]!.hessian.slice(0, weights)]).toEqual(new Array(weights).fill(1));
  });

  test('is planned with no pass beside those of the terms', () => {
    const sequences = [20, 30, 40].map((length) => ({ tokens: new Int32Array(length), labelsFrom: 5 }));
    const passes = (labels: 'none' | 'given') =>
      passesOf(
        sequences,
        { microBatchSize: 1, optimizer: 'sophia', curvature: { labels, chunkSize: 3 } },
        chooseAlgorithm('npo'),
      );
    expect(passes('given')).toHaveLength(2);
    expect(passes('none')).toHaveLength(1);
    const { target, retain } = sets;
    expect(curvaturePlan(curvature, 'retain', { target, retain }, 1n).chunksAt(0)).toEqual([]);
  });

  test('other words are refused', () => {
    expect(() => completeCurvatureOptions({ labels: 'all' as never })).toThrow(
      /curvature.labels must be 'sampled' or 'given' or 'none'/,
    );
  });
});

test('an estimate is exact only where it says so with a boolean', async () => {
  const model = bigram();
  const optimizer = sophiaOf(model, { rho: { clippedFraction: 0.25 } });
  await expect(optimizer.updateHessian({ batchSize: 1, exact: 1 as never })).rejects.toThrow(
    /exact must be true or false/,
  );
  await model.parameters.gradients.fill(1);
  await optimizer.updateHessian({ batchSize: 1, prime: true });
  expect((await optimizer.step()).warning).toMatch(/an estimate of 1 part:/);
});

describeWithEngine('of fresh adapters', () => {
  test('A has its curvature from the first step on, and both factors move', async () => {
    const config = {
      ...{
        model_type: 'llama',
        vocab_size: size,
        initializer_range: 0.3,
        max_position_embeddings: 16,
        hidden_size: 16,
      },
      ...{ intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
    };
    const adapter = { kind: 'lora', rank: 2, targets: 'all-linear' } as const;
    const model = await TorchLM.create(config, 5n, { threads: 1, adapter });
    const optimizer = new Sophia(model.parameters, { learningRate: 1e-3, weightDecay: 0, rho: 1e-3 });
    try {
      const first = await model.parameters.values.toFloat32Array();
      const estimated: number[] = [];
      const input = { model, optimizer, sets, seed: 4n };
      for await (const event of descend(input, method('graddiff'), { steps: 3, batchSize: 2, curvature })) {
        if (event.kind === 'step' && event.curvature) estimated.push(event.step);
      }
      // No other is made when B has moved.
      expect(estimated).toEqual([1, 3]);
      const [last, hessian] = await Promise.all(
        [model.parameters.values, optimizer.state.hessian].map((buffer) => buffer.toFloat32Array()),
      );
      for (const [, { offset, shape }] of model.parameters.layout) {
        const own = (values: Float32Array) => values.slice(offset, offset + shape[0]! * shape[1]!);
        expect(own(hessian!).every((h) => h === 1)).toBe(true);
        expect(own(last!)).not.toEqual(own(first));
      }
    } finally {
      await optimizer.release();
      model.release();
    }
  });
});
