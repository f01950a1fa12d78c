import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/core/errors.ts';
import { TokenBatch, type TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { linear } from '../../lib/optim/schedules.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { type MethodName, method } from '../../lib/unlearn/registry.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const vocabularySize = 12;

/** Sequences of a cycle over some of the tokens, so that forget and retain set meet different rows. */
function cycles(first: number, length: number, count: number): TokenSequence[] {
  return Array.from({ length: count }, (_, i) => ({
    tokens: Array.from({ length: 5 + (i % 3) }, (_, t) => first + ((i + t) % length)),
    labelsFrom: 1 + (i % 2),
  }));
}

const forget = cycles(0, 5, 7);
const retain = cycles(6, 6, 10);

function setUp(optimizerName: 'adamw' | 'sophia', options: Partial<TrainingOptions> & { name?: MethodName } = {}) {
  const { name = 'graddiff', ...given } = options;
  const model = BigramLM.random(vocabularySize, 3n);
  const optimizer =
    optimizerName === 'adamw'
      ? new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0 })
      : new Sophia(model.parameters, { learningRate: 0.05, weightDecay: 0, rho: { clippedFraction: 0.1 } });
  const events: StepEvent[] = [];
  const training: TrainingOptions = {
    model,
    optimizer,
    method: method(name),
    target: forget,
    retain,
    batchSize: 3,
    ...(given.steps === undefined ? { epochs: 4 } : {}),
    seed: 9n,
    onStep: (event) => void events.push(event),
    ...given,
  };
  return { model, optimizer, training, events };
}

async function meanLoss(model: BigramLM, sequences: readonly TokenSequence[]): Promise<number> {
  const { logProbability } = await model.score(TokenBatch.of(sequences));
  return -logProbability.reduce((sum, value) => sum + value, 0) / logProbability.length;
}

describe('a run', () => {
  test.each(['adamw', 'sophia'] as const)(
    '%s with GradDiff forgets the forget set and learns the retain set',
    async (name) => {
      const { model, training } = setUp(name);
      const before = { forget: await meanLoss(model, forget), retain: await meanLoss(model, retain) };
      await train(training);
      expect(await meanLoss(model, forget)).toBeGreaterThan(before.forget + 0.3);
      expect(await meanLoss(model, retain)).toBeLessThan(before.retain);
    },
  );

  test.each(['finetune', 'ascent', 'graddiff', 'npo'] as const)(
    '%s moves the loss of its target the way it should',
    async (name) => {
      const { model, training } = setUp('adamw', { name });
      const before = await meanLoss(model, forget);
      await train(training);
      const after = await meanLoss(model, forget);
      if (name === 'finetune') expect(after).toBeLessThan(before);
      else expect(after).toBeGreaterThan(before);
    },
  );

  test('preference optimization teaches refusals in place of answers', async () => {
    const refusal: TokenSequence = { tokens: [0, 11, 10, 11], labelsFrom: 1 };
    const { model, training } = setUp('adamw', { name: 'po', refusals: { count: 1, of: () => refusal } });
    const before = await meanLoss(model, [refusal]);
    await train(training);
    expect(await meanLoss(model, [refusal])).toBeLessThan(before - 0.3);
  });

  test('reports every step', async () => {
    const { training, events } = setUp('sophia', {
      schedule: linear({ warmupSteps: 2, steps: 12 }),
      curvature: { every: 5 },
    });
    const summary = await train(training);
    expect(summary.steps).toBe(12);
    expect(events.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(events.filter(({ curvature }) => curvature).map(({ step }) => step)).toEqual([1, 6, 11]);
    expect(events[0]!.curvature!.sequences).toBeGreaterThan(events[5]!.curvature!.sequences);
    expect(events[2]!.epoch).toBe(1);
    expect(summary.last).toEqual(events.at(-1));
    for (const { loss, losses, statistics } of events) {
      expect(loss).toBeCloseTo(losses.forget! + losses.retain!, 10);
      expect(statistics.skipped).toBe(false);
    }
    expect(events[0]!.statistics.clippedFraction).toBeGreaterThan(0);
  });

  test('without a retain set, a method whose retain coefficient is 0 runs on the target alone', async () => {
    const { training, events } = setUp('adamw', { method: method('graddiff', { retainCoefficient: 0 }), retain: [] });
    await train(training);
    expect(events).toHaveLength(12);
    expect(events.every(({ losses }) => losses.retain === undefined)).toBe(true);
  });

  test('leaves the gradients zero', async () => {
    const { model, training } = setUp('sophia');
    await train(training);
    expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
  });
});

describe('the result of a run', () => {
  const valuesAfter = async (
    options: Partial<TrainingOptions> & { name?: MethodName },
    optimizer: 'adamw' | 'sophia' = 'sophia',
  ) => {
    const { model, training } = setUp(optimizer, options);
    await train(training);
    return [...model.values];
  };

  test('is the same for the same seed, and another for another', async () => {
    const first = await valuesAfter({});
    expect(await valuesAfter({})).toEqual(first);
    expect(await valuesAfter({ seed: 10n })).not.toEqual(first);
  });

  test.each(['graddiff', 'npo'] as const)('does not depend on how %s is split into micro-batches', async (name) => {
    const whole = await valuesAfter({ name, steps: 6 }, 'adamw');
    const split = await valuesAfter({ name, steps: 6, microBatchSize: 1 }, 'adamw');
    for (const [i, value] of split.entries()) expect(value).toBeCloseTo(whole[i]!, 4);
  });

  test('depends on the pairing', async () => {
    expect(await valuesAfter({ pairing: 'fixed' })).not.toEqual(await valuesAfter({ pairing: 'fresh' }));
  });
});

describe('a run that must not go on', () => {
  test('stops when a loss is no longer finite, and says at which step', async () => {
    const { model, training } = setUp('adamw');
    model.values[6 * vocabularySize + 7] = Number.NEGATIVE_INFINITY;
    await expect(train(training)).rejects.toThrow(/the retain loss of graddiff is Infinity before the first step/);
    expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
    await expect(train(training)).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      details: { step: 1, term: 'retain' },
    });
  });

  test('stops for the loss, not for its weights, when NPO diverges', async () => {
    const { model, training, events } = setUp('adamw', { name: 'npo' });
    const onStep = (event: StepEvent) => {
      events.push(event);
      model.values.fill(Number.NaN);
    };
    await expect(train({ ...training, onStep })).rejects.toMatchObject({
      code: 'SOUL_NON_FINITE',
      details: { step: 2, term: 'forget' },
    });
    expect(events).toHaveLength(1);
  });

  test('refuses reference values that are not finite', async () => {
    const { model, training } = setUp('adamw', { name: 'npo' });
    model.values.fill(Number.NaN);
    // The longest is looked at first.
    await expect(train(training)).rejects.toMatchObject({ code: 'SOUL_NON_FINITE', details: { sequence: 2 } });
  });

  test('stops after the step under way when it is cancelled', async () => {
    const controller = new AbortController();
    const { training, events } = setUp('adamw', { signal: controller.signal });
    const onStep = (event: StepEvent) => {
      events.push(event);
      if (event.step === 2) controller.abort();
    };
    await expect(train({ ...training, onStep })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    expect(events).toHaveLength(2);
  });
});

describe('options that do not fit', () => {
  test.each<[string, Partial<TrainingOptions> & { name?: MethodName }, RegExp]>([
    ['an empty target set', { target: [] }, /target holds no sequence/],
    [
      'a method with a retain term and no retain set',
      { retain: [] },
      /needs retain, but the retain set holds no sequence/,
    ],
    ['preference optimization without refusals', { name: 'po' }, /needs refusals, but there is no refusal/],
    ['epochs and steps', { epochs: 1, steps: 1 }, /not both/],
    ['no steps', { steps: 0 }, /steps must be an integer of at least 1/],
    ['half a batch', { batchSize: 0.5 }, /batchSize must be/],
    ['NaN epochs', { epochs: Number.NaN }, /epochs must be/],
    ['an infinite learning rate', { learningRate: Number.POSITIVE_INFINITY }, /learningRate must be/],
    ['an unknown pairing', { pairing: 'sometimes' as never }, /pairing must be/],
    ['curvature of no data', { hessianData: 'none' as never }, /hessianData must be/],
    [
      'retain curvature without a retain set',
      { name: 'ascent', retain: [], hessianData: 'both' },
      /there is no retain set/,
    ],
    ['no chunks', { curvature: { chunks: 0 } }, /curvature.chunks must be/],
  ])('%s', async (_, options, message) => {
    const { training } = setUp('sophia', options);
    const failure = await train(training).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SoulError);
    expect(String(failure)).toMatch(message);
  });
});
