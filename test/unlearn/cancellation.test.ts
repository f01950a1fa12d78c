import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { type MethodName, method } from '../../lib/unlearn/registry.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { WatchedModel } from './watched-model.ts';

const vocabularySize = 8;
const sequences = (first: number) =>
  Array.from({ length: 6 }, (_, i) => ({
    tokens: Array.from({ length: 4 + (i % 3) }, (_, t) => first + ((i + t) % 4)),
    labelsFrom: 1,
  }));

const makers = {
  adamw: (parameters: BigramLM['parameters']) => new AdamW(parameters, { learningRate: 0.05 }),
  sophia: (parameters: BigramLM['parameters']) =>
    new Sophia(parameters, { learningRate: 0.05, rho: { clippedFraction: 0.1 } }),
};

function setUp<Name extends keyof typeof makers>(optimizerName: Name, name: MethodName) {
  const model = new WatchedModel(BigramLM.random(vocabularySize, 5n));
  const optimizer = makers[optimizerName](model.inner.parameters) as ReturnType<(typeof makers)[Name]>;
  const training = {
    model,
    optimizer,
    method: method(name),
    target: sequences(0),
    retain: sequences(4),
    batchSize: 4,
    microBatchSize: 2,
    curvature: { every: 2, chunks: 3 },
  } satisfies TrainingOptions;
  return { model, optimizer, training };
}

type Run = ReturnType<typeof setUp<keyof typeof makers>>;

const whatIsLeft = ({ model, optimizer }: Run) => ({
  values: [...model.inner.values],
  step: optimizer.state.step,
  momentum: [...optimizer.state.momentum.array],
});

/** Trains until call number `call` of the model, during which the signal fires. */
async function cancelled(run: Run, call: number): Promise<{ error: unknown; steps: number; reason: Error }> {
  const controller = new AbortController();
  const reason = new Error('the user went home');
  run.model.during = (number) => number === call && controller.abort(reason);
  let steps = 0;
  const onStep = () => void steps++;
  const error = await train({ ...run.training, steps: 4, onStep, signal: controller.signal }).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { error, steps, reason };
}

describe.each([
  ['adamw', 'graddiff'],
  ['adamw', 'npo'],
  ['sophia', 'graddiff'],
  ['sophia', 'npo'],
] as const)('%s with %s', (optimizerName, name) => {
  test('a signal that fires during any call is heard before the next, and leaves the last whole step', async () => {
    const whole = setUp(optimizerName, name);
    const afterSteps = [whatIsLeft(whole)];
    await train({ ...whole.training, steps: 4, onStep: () => void afterSteps.push(whatIsLeft(whole)) });
    const { calls } = whole.model;
    expect(new Set(calls).size).toBe({ graddiff: 1, npo: 4 }[name]);

    for (let call = 1; call < calls.length; call++) {
      const run = setUp(optimizerName, name);
      const { error, steps, reason } = await cancelled(run, call);
      if (error === undefined) {
        // It fired in the last pass of the last step: that step is whole, and with it the run.
        expect(steps).toBe(4);
        continue;
      }
      expect(error).toMatchObject({ code: 'SOUL_CANCELLED', cause: reason, details: { done: steps, total: 4 } });
      expect(run.model.calls).toHaveLength(call);
      expect(whatIsLeft(run)).toEqual(afterSteps[steps]);
      expect(run.model.inner.gradients.every((gradient) => gradient === 0)).toBe(true);
    }
  });
});

describe('a curvature estimate that is cancelled', () => {
  test('while priming is begun anew by the next run', async () => {
    const run = setUp('sophia', 'graddiff');
    await cancelled(run, 7);
    expect(run.optimizer.state).toMatchObject({ step: 0, estimates: 0 });
    const fresh = setUp('sophia', 'graddiff');
    for (const { training } of [run, fresh]) await train({ ...training, steps: 3 });
    expect(whatIsLeft(run)).toEqual(whatIsLeft(fresh));
  });

  test('later on is closed, so that the optimizer steps and is saved', async () => {
    const run = setUp('sophia', 'graddiff');
    const { calls } = run.model;
    let before: Float32Array | undefined;
    // The estimate before step 3 follows the retain set's passes of step 2.
    const callsOfSteps = 24 + 2 * 4;
    const controller = new AbortController();
    run.model.during = (call) => {
      if (call === callsOfSteps + 1) before = run.optimizer.state.hessian.array.slice() as Float32Array;
      if (call === callsOfSteps + 2) controller.abort();
    };
    const training = { ...run.training, steps: 4, signal: controller.signal };
    await expect(train(training)).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { done: 2 } });
    expect(calls).toHaveLength(callsOfSteps + 2);
    // Two of its three chunks count, the third as 0: h <- 0.99 h + 0.01 (e1 + e2) / 3.
    const after = run.optimizer.state.hessian.array as Float32Array;
    for (const [i, h] of after.entries())
      expect(h).toBeGreaterThanOrEqual(Math.fround(0.99 * before![i]!) * (1 - 1e-6));
    expect(run.optimizer.state).toMatchObject({ step: 2, estimates: 2 });
    const folder = await mkdtemp(join(tmpdir(), 'soul-cancelled-'));
    try {
      await run.optimizer.saveState(join(folder, 'state.safetensors'));
    } finally {
      await rm(folder, { recursive: true });
    }
    await train({ ...run.training, steps: 1 });
    expect(run.optimizer.state.step).toBe(3);
  });
});
