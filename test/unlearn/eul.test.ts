import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { methodOfRun } from '../../lib/run/run-defaults.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { PlainDescent } from './plain-descent.ts';

const size = 7;
const target: TokenSequence[] = [
  { tokens: [0, 1, 2, 3], labelsFrom: 2 },
  { tokens: [1, 3, 2], labelsFrom: 1 },
];
const retain: TokenSequence[] = [
  { tokens: [4, 5, 6, 4], labelsFrom: 1 },
  { tokens: [5, 6, 2, 5], labelsFrom: 2 },
  { tokens: [6, 4, 4], labelsFrom: 1 },
];

/** Label tokens as (previous, label). */
const placesOf = (sequences: readonly TokenSequence[], from?: number) =>
  sequences.flatMap(({ tokens, labelsFrom }) =>
    [...tokens.keys()].slice(from ?? labelsFrom).map((t) => [tokens[t - 1]!, tokens[t]!] as const),
  );

const probabilities = (table: ArrayLike<number>, row: number) => {
  const logits = Array.from({ length: size }, (_, i) => table[row * size + i]!);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / total);
};

/** The paper's objective in float64, straight from its definition; `part` says whose terms. */
function objective(table: ArrayLike<number>, start: ArrayLike<number>, part: 'forget' | 'retain', settings: Settings) {
  const { alpha, lambda, gamma, bound } = settings;
  const divergence = (row: number) => {
    const [p, q] = [probabilities(start, row), probabilities(table, row)];
    return p.reduce((sum, each, i) => sum + each * Math.log(each / q[i]!), 0);
  };
  const loss = ([row, label]: readonly [number, number]) => -Math.log(probabilities(table, row)[label]!);
  const counted = (value: number) => bound * (1 - Math.exp(-value / bound));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  if (part === 'retain') {
    const places = placesOf(retain);
    return alpha * mean(places.map(([row]) => divergence(row))) + lambda * mean(places.map(loss));
  }
  const apart = mean(placesOf(target).map(([row]) => counted(divergence(row))));
  return -apart - gamma * mean(placesOf(target, 1).map((place) => counted(loss(place))));
}

interface Settings {
  alpha: number;
  lambda: number;
  gamma: number;
  bound: number;
}

const settings = { alpha: 0.7, lambda: 1.5, gamma: 0.4, bound: 2 };

async function run(given: object, epochs = 3) {
  const model = BigramLM.random(size, 5n, 2);
  const reference = model.clone();
  const optimizer = new PlainDescent(model.parameters, 0.5);
  const events: StepEvent[] = [];
  await train({
    ...{ model, optimizer, target, retain, epochs, batchSize: 4, method: method('eul', given) },
    referenceModel: reference,
    onStep: (event) => void events.push(event),
  });
  return { model, reference, optimizer, events };
}

describe('eul', () => {
  test('steps along the gradient of its definition, the sets in turns', async () => {
    const { reference, optimizer, events } = await run(settings);
    expect(events.length).toBe(6);
    for (const [step, { gradients, values }] of optimizer.met.entries()) {
      const part = step % 2 === 0 ? 'forget' : 'retain';
      const at = (table: ArrayLike<number>) => objective(table, reference.values, part, settings);
      expect(events[step]!.loss).toBeCloseTo(at(values), 5);
      for (let i = 0; i < size ** 2; i++) {
        const moved = (by: number) => at(Float64Array.from(values, (value, j) => (j === i ? value + by : value)));
        expect(gradients[i]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 5);
      }
    }
  });

  test('has all terms in each step where the sets come together', async () => {
    const { events } = await run({ ...settings, alternation: 'together' });
    expect(events.length).toBe(3);
    for (const { losses, loss } of events) {
      const { forget, forgetText, retain: kept, retainDivergence } = losses;
      expect(loss).toBeCloseTo(forget! + 0.4 * forgetText! + 1.5 * kept! + 0.7 * retainDivergence!, 6);
    }
  });

  test('begins where the model is the starting model: no divergence, and no slope of it', async () => {
    const { events, optimizer } = await run({ gamma: 0, alpha: 1, lambda: 0 }, 1);
    expect(events[0]!.losses.forget).toBeCloseTo(0, 9);
    expect(events[1]!.losses.retainDivergence).toBeCloseTo(0, 9);
    for (const { gradients } of optimizer.met) for (const each of gradients) expect(each).toBeCloseTo(0, 7);
  });

  test('goes no further than its bound, and comes as near as one likes', async () => {
    const { events } = await run({ alpha: 0, lambda: 0, gamma: 0.5, bound: 0.75 }, 4000);
    for (const { loss } of events) expect(loss).toBeGreaterThanOrEqual(-1.5 * 0.75);
    expect(events.at(-1)!.loss).toBeLessThan(-1.4 * 0.75);
    expect(Object.keys(events.at(-1)!.losses)).toEqual(['forget', 'forgetText']);
  });

  test('moves apart on the forget set, and not on the retain set', async () => {
    const { model, reference } = await run({}, 60);
    const p = (from: BigramLM, [row, label]: readonly [number, number]) => probabilities(from.values, row)[label]!;
    const mean = (from: BigramLM, places: ReturnType<typeof placesOf>) =>
      places.reduce((sum, place) => sum + p(from, place), 0) / places.length;
    expect(mean(model, placesOf(target))).toBeLessThan(0.5 * mean(reference, placesOf(target)));
    expect(mean(model, placesOf(retain))).toBeGreaterThan(mean(reference, placesOf(retain)));
  });

  test('has a turn of the retain set that is all of it, so many examples, or bounded by the forget set', () => {
    const retainTurn = (given: object) => method('eul', given).turns?.[1];
    expect(retainTurn({})).toEqual({ terms: ['retain', 'retainDivergence'] });
    expect(retainTurn({ retainTurn: 'bounded' })).toMatchObject({ examples: 400, perTarget: 10 });
    for (const other of [{}, { retainTurn: 'bounded' }]) {
      const asked = retainTurn({ ...other, retainExamples: 80 });
      expect(asked).toEqual({ terms: ['retain', 'retainDivergence'], examples: 80 });
    }
    expect(retainTurn({ retainTurn: 'bounded', alternation: 'together' })).toBeUndefined();
    expect(methodOfRun('eul').settings).toMatchObject({ retainTurn: 'bounded' });
  });

  test.each<[object, RegExp]>([
    [{ bound: 0 }, /bound must be a number above 0/],
    [{ alpha: -1 }, /alpha must be a number of at least 0/],
    [{ alternation: 'steps' }, /alternation must be 'epochs' or 'together'/],
    [{ retainExamples: 0 }, /retainExamples must be an integer/],
    [{ retainTurn: 'some' }, /retainTurn must be 'all' or 'bounded'/],
    [{ beta: 1 }, /beta/],
  ])('refuses %j', (given, message) => {
    expect(() => method('eul', given as never)).toThrow(message);
  });
});
