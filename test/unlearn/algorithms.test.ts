import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { average } from '../../lib/unlearn/algorithms/average.ts';
import { sam } from '../../lib/unlearn/algorithms/sam.ts';
import {
  type Algorithm,
  Lab,
  type LabOptions,
  method,
  type RunEvent,
  settingsOf,
  train,
} from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const size = 8;
const target: TokenSequence[] = [
  { tokens: [0, 1, 2, 3], labelsFrom: 1 },
  { tokens: [1, 2, 3], labelsFrom: 1 },
];
const retain: TokenSequence[] = [
  { tokens: [4, 6, 7, 4], labelsFrom: 1 },
  { tokens: [5, 6, 2, 5], labelsFrom: 1 },
];
const descent = { steps: 6, batchSize: 2 };
const learningRate = 0.05;

async function run(algorithm: Algorithm, given: object = {}, more: Partial<LabOptions> = {}) {
  const model = BigramLM.random(size, 5n);
  const start = [...model.values];
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: (options) => new AdamW(model.parameters, { learningRate, weightDecay: 0.1, ...options }),
    descent,
    ...more,
  });
  const events: RunEvent[] = [];
  try {
    for await (const event of algorithm.run(lab, settingsOf(algorithm, given) as never)) events.push(event);
  } finally {
    await lab.release();
  }
  return { start, values: [...model.values].slice(0, size ** 2), events };
}

/** The plain descent of a method, for comparison. */
async function plain(onStep: (values: number[]) => void = () => {}, name: 'npo' | 'graddiff' = 'npo') {
  const model = BigramLM.random(size, 5n);
  const optimizer = new AdamW(model.parameters, { learningRate, weightDecay: 0.1 });
  const settings = { retainCoefficient: 5 };
  await train({
    model,
    optimizer,
    method: method(name, settings),
    target,
    retain,
    ...descent,
    onStep: () => onStep([...model.values].slice(0, size ** 2)),
  });
  return [...model.values].slice(0, size ** 2);
}

/** The gradient of the mean over examples of cross-entropy, straight from the softmax: batches of two, each a token mean. */
function gradient(model: BigramLM, sequences: readonly TokenSequence[]): number[] {
  const sum = new Array<number>(size ** 2).fill(0);
  const labels = sequences.reduce((count, { tokens, labelsFrom }) => count + tokens.length - labelsFrom, 0);
  for (const { tokens, labelsFrom } of sequences) {
    for (let t = labelsFrom; t < tokens.length; t++) {
      model.logProbabilities(tokens[t - 1]!).forEach((logP, token) => {
        sum[tokens[t - 1]! * size + token]! += (Math.exp(logP) - (token === tokens[t] ? 1 : 0)) / labels;
      });
    }
  }
  return sum;
}

describe('sam', () => {
  test('takes the forget gradient at theta + rho g / |g|, and steps from theta', async () => {
    const model = BigramLM.random(size, 5n);
    const start = [...model.values];
    const seen: number[][] = [];
    const step = async () => {
      expect([...model.values]).toEqual(start);
      const { gradients } = model.parameters;
      seen.push([...gradients.array]);
      await gradients.fill(0);
      return { step: seen.length, skipped: false, stepped: 1, changedFraction: 0, gradientNorm: 1, groups: [] };
    };
    const optimizer = {
      parameters: model.parameters,
      learningRate: 1,
      state: { step: 0 },
      step,
      release: async () => {},
    };
    const lab = new Lab({
      model,
      sets: { target, retain },
      optimizer: () => optimizer as never,
      descent: { steps: 1, batchSize: 2 },
    });
    const rho = 0.5;
    for await (const _ of sam.run(lab, settingsOf(sam, { rho, method: 'ascent' }))) void _;
    const g = gradient(model, target).map((each) => -each);
    const norm = Math.hypot(...g);
    const moved = BigramLM.of(
      size,
      start.slice(0, size ** 2).map((value, i) => value + (rho * g[i]!) / norm),
    );
    for (const [i, each] of gradient(moved, target).entries()) expect(seen[0]![i]).toBeCloseTo(-each, 5);
  });
});

describe('average', () => {
  test('ends at the mean of every second weights from the middle on', async () => {
    const along: number[][] = [];
    await plain((values) => along.push(values));
    const { values } = await run(average, { every: 2, from: 0.5 });
    // Steps 4 and 6 of 6.
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo((along[3]![i]! + along[5]![i]!) / 2, 6);
  });

  test('of the last step alone is the method inside', async () => {
    expect((await run(average, { every: 100 })).values).toEqual(await plain());
  });
});

test.each([sam, average] as unknown as readonly Algorithm[])(
  '$name refuses a method inside that there is not',
  async (algorithm) => {
    expect(() => algorithm.needs(settingsOf(algorithm, { method: 'magic' }) as never)).toThrow(
      /method must be one of ascent/,
    );
  },
);
