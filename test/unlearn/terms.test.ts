import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { WatchedModel } from './watched-model.ts';

const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
const retain: TokenSequence[] = [4, 5].map((first) => ({ tokens: [first, 6, 7], labelsFrom: 1 }));

const watched = () => new WatchedModel(BigramLM.random(8, 2n));

async function run(model: WatchedModel, options: Pick<TrainingOptions, 'method'> & Partial<TrainingOptions>) {
  const events: StepEvent[] = [];
  const optimizer = new AdamW(model.parameters, { learningRate: 0.1 });
  const onStep = (event: StepEvent) => void events.push(event);
  await train({ model, optimizer, target, retain, steps: 3, onStep, ...options });
  return { events, values: [...model.inner.values] };
}

describe('a term of weight 0 costs nothing', () => {
  test('the retain term', async () => {
    const [weighted, alone] = [watched(), watched()];
    const left = await run(weighted, { method: method('graddiff', { retainCoefficient: 0 }) });
    expect(left.values).toEqual((await run(alone, { method: method('ascent') })).values);
    expect(weighted.calls).toEqual(alone.calls);
    for (const { losses, loss, tokens } of left.events) {
      expect(losses).toEqual({ forget: loss });
      expect(tokens).toBe(9);
    }
  });

  test('the forget term, and the reference values and refusals that it alone would need', async () => {
    for (const name of ['npo', 'po'] as const) {
      const model = watched();
      const { events } = await run(model, { method: method(name, { forgetCoefficient: 0, retainCoefficient: 2 }) });
      expect(model.calls).toEqual(['accumulate', 'accumulate', 'accumulate']);
      for (const { losses, loss } of events) {
        expect(Object.keys(losses)).toEqual(['retain']);
        expect(loss).toBe(2 * losses.retain!);
      }
    }
  });

  test('of which a method must not have nothing else', async () => {
    const nothing = method('graddiff', { forgetCoefficient: 0, retainCoefficient: 0 });
    await expect(run(watched(), { method: nothing })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: 'no term of the method graddiff has a weight: nothing would change',
    });
  });
});

describe('a Hessian that the optimizer holds', () => {
  test('is gone on with, not overwritten', async () => {
    const model = watched();
    const optimizer = new Sophia(model.parameters, { rho: { clippedFraction: 0.1 } });
    const known = FlatBuffer.alloc(model.parameters.values.length);
    await known.fill(10);
    await optimizer.updateHessian({ from: known, batchSize: 1, prime: true });
    expect(optimizer.state.estimates).toBe(1);
    const events: StepEvent[] = [];
    await train({
      model,
      optimizer,
      method: method('graddiff'),
      target,
      retain,
      steps: 1,
      curvature: { chunks: 3, chunkSize: 1 },
      onStep: (event) => void events.push(event),
    });
    // h <- 0.99 * 10^2 + 0.01 * estimate
    for (const h of optimizer.state.hessian.array) expect(h).toBeGreaterThanOrEqual(98.9);
    expect(optimizer.state.estimates).toBe(2);
    // No estimate of this run primes, so none takes a priming one's chunks.
    expect(events[0]!.curvature!.sequences).toBe(3);
  });

  test('is made from the priming chunks where there is none', async () => {
    const model = watched();
    const optimizer = new Sophia(model.parameters, { rho: { clippedFraction: 0.1 } });
    expect(optimizer.state.estimates).toBe(0);
    const curvature = { chunks: 3, chunkSize: 1 };
    const { last } = await train({ model, optimizer, method: method('graddiff'), target, retain, steps: 1, curvature });
    // Eight times as many chunks as later ones.
    expect(last.curvature!.sequences).toBe(24);
    expect(optimizer.state.estimates).toBe(1);
  });
});

describe('the optimizer', () => {
  test('must step the values and gradients of this very model', async () => {
    const [model, other] = [watched(), watched()];
    const { values } = model.parameters;
    for (const [buffer, parameters] of [
      ['values', other.parameters],
      ['gradients', { values, gradients: other.parameters.gradients }],
    ] as const) {
      const optimizer = new AdamW(parameters);
      await expect(run(model, { method: method('graddiff'), optimizer })).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
        message: expect.stringContaining(`the optimizer steps other ${buffer} than the model's`),
        details: { argument: 'optimizer', buffer },
      });
    }
    expect(model.calls).toEqual([]);
  });

  test('may have buffers of its own on the same memory', async () => {
    const model = watched();
    const { values, gradients } = model.parameters;
    const optimizer = new AdamW({ values: values.view(0, values.length), gradients });
    await run(model, { method: method('graddiff'), optimizer });
    expect(optimizer.state.step).toBe(3);
  });
});
