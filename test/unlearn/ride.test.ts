import { describe, expect, test } from '@jest/globals';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { TokenBatch, type TokenSequence } from '../../lib/model/token-batch.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { curvaturePlan } from '../../lib/unlearn/curvature.ts';
import { descend } from '../../lib/unlearn/descend.ts';
import type { DescentOptions } from '../../lib/unlearn/descent-options.ts';
import { drawsOf } from '../../lib/unlearn/draws.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import type { Method } from '../../lib/unlearn/method.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { retainSet } from '../../lib/unlearn/source.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { WatchedModel } from './watched-model.ts';

const size = 8;
const seed = 3n;
const sequences = (first: number, count: number): TokenSequence[] =>
  Array.from({ length: count }, (_, i) => ({
    tokens: Array.from({ length: 4 + (i % 3) }, (_, t) => (first + 3 * i + t * t) % size),
    labelsFrom: 1 + (i % 2),
  }));
const target = sequences(0, 10);
const retain = sequences(5, 7);
const batchSize = 5;
const curvature = { every: 2, chunks: 3, chunkSize: 2, primingChunks: 4 } as const;

interface Met {
  readonly values: Float32Array;
  readonly gradients: Float32Array;
  readonly hessian: Float32Array;
}

/** Sophia that keeps what each step met. */
function watchedSophia(model: DifferentiableLM) {
  const optimizer = new Sophia(model.parameters, { learningRate: 0.05, rho: { clippedFraction: 0.1 } });
  const met: Met[] = [];
  const step = optimizer.step.bind(optimizer);
  optimizer.step = async (given) => {
    const { values, gradients } = model.parameters;
    met.push({
      values: await values.toFloat32Array(),
      gradients: await gradients.toFloat32Array(),
      hessian: await optimizer.state.hessian.toFloat32Array(),
    });
    return step(given);
  };
  return { optimizer, met };
}

async function run(
  model: DifferentiableLM,
  own: Method = method('graddiff'),
  options: DescentOptions = {},
  signal?: AbortSignal,
) {
  const { optimizer, met } = watchedSophia(model);
  const input = { model, optimizer, sets: { target, retain }, seed, ...(signal ? { signal } : {}) };
  const events: StepEvent[] = [];
  for await (const event of descend(input, own, { steps: 5, batchSize, curvature, ...options })) {
    if (event.kind === 'step') events.push(event);
  }
  return { optimizer, met, events };
}

const bigram = () => BigramLM.random(size, 11n);
const watched = (keepsPasses = true) => new WatchedModel(bigram(), { keepsPasses });
const separate = { curvature: { ...curvature, source: 'separate' } } as const;
const ridden = (events: readonly StepEvent[]) =>
  events.filter((each) => each.curvature?.riding).map(({ step }) => step);

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(found).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const bound = tolerance * Math.max(1e-2, Math.abs(expected[i]!));
    if (!(Math.abs(found[i]! - expected[i]!) <= bound)) throw new Error(`${i}: ${found[i]} is not ${expected[i]}`);
  }
}

/** The mean over chunks of B * g * g at some weights, g by labels sampled with these seeds, or given ones. */
async function estimateAt(
  values: Float32Array,
  chunks: readonly TokenSequence[][],
  seedOf?: (chunk: number) => bigint,
) {
  const sum = new Float64Array(values.length);
  for (const [chunk, own] of chunks.entries()) {
    const model = BigramLM.of(size, values);
    const batch = TokenBatch.of(own);
    const { labelCount } = batch;
    await model.accumulate(
      batch,
      new Float32Array(labelCount).fill(1 / labelCount),
      seedOf ? { labels: { sampledWith: seedOf(chunk) } } : {},
    );
    for (const [i, g] of model.gradients.entries()) sum[i]! += (labelCount * g * g) / chunks.length;
  }
  return sum;
}

const draws = drawsOf({ seed, target: target.length, batchSize, pairing: 'fresh' });
const retainBatch = (step: number) => draws.sequences(retainSet({ target, retain }), step);
const inChunks = (all: readonly TokenSequence[]) => [all.slice(0, 2), all.slice(2, 4), all.slice(4)];

describe('an estimate that rides', () => {
  test.each(['sampled', 'given'] as const)('is that of its chunks by hand, with %s labels', async (labels) => {
    const { met, events, optimizer } = await run(bigram(), method('graddiff'), { curvature: { ...curvature, labels } });
    expect(ridden(events)).toEqual([3, 5]);
    expect(events[2]!.curvature).toMatchObject({
      ...{ riding: true, sequences: batchSize, skippedChunks: 0 },
      tokens: TokenBatch.of(retainBatch(2)).labelCount,
    });
    const plan = curvaturePlan({ ...curvature, labels }, 'retain', { target, retain }, seed);
    const seeds = (step: number) =>
      labels === 'sampled' ? (chunk: number) => draws.labelSeed(step, chunk) : undefined;
    const priming = await estimateAt(met[0]!.values, plan.chunksAt(0), seeds(0));
    expectClose(met[0]!.hessian, priming);
    let hessian = met[0]!.hessian;
    for (const step of [2, 4]) {
      const own = await estimateAt(met[step]!.values, inChunks(retainBatch(step)), seeds(step));
      expectClose(
        met[step]!.hessian,
        hessian.map((h, i) => 0.99 * h + 0.01 * own[i]!),
      );
      hessian = met[step]!.hessian;
    }
    expect(optimizer.state.estimates).toBe(3);
  });

  test.each(['graddiff', 'npo', 'pdu', 'pcgrad', 'mollm', 'gru'] as const)(
    'leaves gradients and losses of %s as they are without it',
    async (name) => {
      const riding = await run(bigram(), method(name));
      expect(ridden(riding.events)).toEqual([3, 5]);
      const apart = await run(bigram(), method(name), separate);
      expect(ridden(apart.events)).toEqual([]);
      // Until the first estimate that rides both went the same way, and at it they still have the same weights.
      for (const step of [0, 1, 2]) {
        expectClose(riding.met[step]!.values, apart.met[step]!.values, 1e-6);
        expectClose(riding.met[step]!.gradients, apart.met[step]!.gradients, 1e-5);
        expect(Object.keys(riding.events[step]!.losses)).toEqual(Object.keys(apart.events[step]!.losses));
        expectClose(Object.values(riding.events[step]!.losses), Object.values(apart.events[step]!.losses), 1e-6);
        expect(riding.events[step]!.tokens).toBe(apart.events[step]!.tokens);
      }
    },
  );

  test('comes first in its step without a gradient rule, and in its turn with one', async () => {
    const ride = [...Array(3).fill('nll'), ...Array(3).fill('backward, kept'), ...Array(3).fill('backward')];
    for (const [name, order] of [
      ['graddiff', [...ride, 'accumulate']],
      ['pcgrad', ['backward', ...ride]],
    ] as const) {
      const model = watched();
      await run(model, method(name), { steps: 3 });
      expect(model.calls.slice(-order.length)).toEqual(order);
      expect(model.held.size).toBe(0);
    }
  });

  test('leaves a chunk out whose gradient is not finite, and nothing of it in the term', async () => {
    const model = watched();
    const clean = await run(watched(), method('graddiff'), { steps: 3 });
    model.during = () => {
      const kept = model.calls.filter((call) => call === 'backward, kept').length;
      if (kept === 2 && model.calls.at(-1) === 'backward, kept') model.inner.gradients[0] = Number.NaN;
    };
    const { events, met } = await run(model, method('graddiff'), { steps: 3 });
    expect(events[2]!.curvature).toMatchObject({ riding: true, skippedChunks: 1 });
    expect(met[2]!.gradients).toEqual(clean.met[2]!.gradients);
    const own = inChunks(retainBatch(2)).filter((_, chunk) => chunk !== 1);
    const whole = await estimateAt(met[2]!.values, own, (chunk) => draws.labelSeed(2, 2 * chunk));
    expectClose(
      met[2]!.hessian,
      met[0]!.hessian.map((h, i) => 0.99 * h + 0.01 * (2 / 3) * whole[i]!),
    );
  });

  test('goes on from an estimate that the optimizer holds, at the first step too', async () => {
    const model = watched();
    const { optimizer } = watchedSophia(model);
    const input = { model, optimizer, sets: { target, retain }, seed };
    for (const expected of [[3], [1, 3]]) {
      const events: StepEvent[] = [];
      for await (const event of descend(input, method('graddiff'), { steps: 3, batchSize, curvature })) {
        if (event.kind === 'step') events.push(event);
      }
      expect(ridden(events)).toEqual(expected);
    }
  });

  test('that is cancelled during any call leaves the last whole step, gradients of 0, and no pass', async () => {
    for (const name of ['graddiff', 'pcgrad'] as const) {
      const whole = watched();
      const { met } = await run(whole, method(name), { steps: 4 });
      for (let call = 1; call < whole.calls.length; call++) {
        const model = watched();
        const controller = new AbortController();
        model.during = (number) => number === call && controller.abort();
        const failure = await run(model, method(name), { steps: 4 }, controller.signal).catch(
          (error: unknown) => error,
        );
        expect(model.held.size).toBe(0);
        // In the last pass of all there is nothing left to be heard by.
        if (!(failure instanceof Error)) continue;
        expect(failure).toMatchObject({ code: 'SOUL_CANCELLED' });
        const { done } = (failure as unknown as { details: { done: number } }).details;
        expect(model.inner.values).toEqual(met[done]!.values);
        expect(model.inner.gradients.every((gradient) => gradient === 0)).toBe(true);
      }
    }
  });
});

describe('an estimate has passes of its own', () => {
  const hook = { aroundTerm: (_: unknown, pull: () => Promise<never>) => pull() };
  test.each<[string, DescentOptions, Method?, boolean?]>([
    ['where it is told to', separate],
    ['where the model keeps no passes', {}, method('graddiff'), false],
    ['where less than a batch fits into memory', { microBatchSize: batchSize - 1 }],
    ['where fewer tokens do', { batchTokens: 12 }],
    ["where it is of the forget set's curvature", { hessianData: 'forget' }],
    ["where it is of both sets' curvature", { hessianData: 'both' }],
    ['where a hook stands around terms', { hooks: hook }],
    ['where the retain term is a divergence', {}, method('graddiff', { retainLoss: 'kl' })],
    ['where no retain term has a weight', {}, method('graddiff', { retainCoefficient: 0 })],
  ])('%s', async (_, options, own = method('graddiff'), keepsPasses = true) => {
    const results = [];
    for (const each of [options, { ...options, ...separate }]) {
      const model = watched(keepsPasses);
      const { optimizer, met } = watchedSophia(model);
      const input = { model, optimizer, sets: { target, retain }, referenceModel: bigram(), seed };
      const events: StepEvent[] = [];
      for await (const event of descend(input, own, { steps: 5, batchSize, curvature, ...each })) {
        if (event.kind === 'step') events.push(event);
      }
      expect(events.filter((event) => event.curvature)).toHaveLength(3);
      expect(ridden(events)).toEqual([]);
      results.push(met);
    }
    expect(results[0]).toEqual(results[1]);
  });

  test('at the steps whose batch does not fit, and rides at the others', async () => {
    // Batches of 4, 4 and 2.
    const { events } = await run(bigram(), method('graddiff'), {
      ...{ batchSize: 4, microBatchSize: 3, steps: 6 },
      curvature: { ...curvature, every: 1, chunks: 1 },
    });
    expect(ridden(events)).toEqual([3, 6]);
  });

  test('where the batch has fewer chunks than are asked for', async () => {
    // Batches of 4, 4 and 2 are two, two chunks and one.
    for (const [chunks, expected] of [
      [1, [2, 3, 4, 5, 6]],
      [2, [2, 4, 5]],
      [3, []],
    ] as const) {
      const { events } = await run(bigram(), method('graddiff'), {
        ...{ batchSize: 4, steps: 6 },
        curvature: { ...curvature, every: 1, chunks },
      });
      expect(ridden(events)).toEqual(expected);
    }
  });
});
