import { describe, expect, jest, test } from '@jest/globals';
import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { average } from '../../lib/unlearn/algorithms/average.ts';
import { l1Sparse } from '../../lib/unlearn/algorithms/l1-sparse.ts';
import { prune } from '../../lib/unlearn/algorithms/prune.ts';
import { sam } from '../../lib/unlearn/algorithms/sam.ts';
import { wagle } from '../../lib/unlearn/algorithms/wagle.ts';
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
import { NarrowModel } from './narrow-model.ts';

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

describe('wagle', () => {
  test.each(['wagle', 'gradient', 'magnitude'] as const)(
    'by %s trains the share of the largest scores and nothing else',
    async (score) => {
      const model = BigramLM.random(size, 5n);
      const [f, r] = [gradient(model, target), gradient(model, retain)];
      const mu = 0.1;
      const scores = f.map((each, i) => {
        const weight = model.values[i]!;
        if (score === 'magnitude') return Math.abs(weight);
        return Math.abs(score === 'gradient' ? each : (weight - r[i]! / mu) * each);
      });
      const ratio = 0.25;
      const kept = new Set([...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, ratio * size ** 2));
      const { start, values, events } = await run(wagle, { score, mu, ratio });
      // Those with a gradient move; the others are left alone to the bit, by weight decay too.
      for (const [i, value] of values.entries()) {
        if (!kept.has(i)) expect([i, value]).toEqual([i, start[i]!]);
        else if (f[i] !== 0 || r[i] !== 0) expect([i, value]).not.toEqual([i, start[i]!]);
      }
      const note = events.find(({ kind }) => kind === 'note');
      expect(note).toMatchObject({ text: `25.0 % of the weights are trained, chosen by ${score}` });
    },
  );

  test('by random trains a share that is a function of the seed', async () => {
    const moved = async (seed: bigint) => {
      const { start, values } = await run(wagle, { score: 'random', ratio: 0.5 }, { seed });
      return values.map((value, i) => value !== start[i]);
    };
    expect(await moved(1n)).toEqual(await moved(1n));
    expect(await moved(1n)).not.toEqual(await moved(2n));
    expect((await moved(1n)).filter(Boolean).length).toBeLessThanOrEqual(size ** 2 / 2);
  });

  test('holds nothing of its scores during the descent, and no mask after it', async () => {
    const model = BigramLM.random(size, 5n);
    const scratch = jest.spyOn(Lab.prototype, 'scratch');
    let mask: FlatBuffer<'u8'> | undefined;
    const optimizer: LabOptions['optimizer'] = ({ frozen }) => {
      expect(scratch.mock.results.map(({ value }) => (value as FlatBuffer).released)).toEqual([true, true]);
      mask = frozen;
      return new AdamW(model.parameters, { frozen: frozen! });
    };
    const lab = new Lab({ model, sets: { target, retain }, optimizer, descent });
    try {
      for await (const _ of wagle.run(lab, settingsOf(wagle, {}))) void _;
    } finally {
      scratch.mockRestore();
    }
    expect(mask!.released).toBe(true);
    await lab.release();
  });

  test('of all weights is the method inside', async () => {
    expect((await run(wagle, { ratio: 1 })).values).toEqual(await plain());
  });
});

describe('prune', () => {
  test('sets the smallest weights to 0 for good, and trains the others', async () => {
    const { start, values } = await run(prune, { share: 0.25 });
    const order = [...start.slice(0, size ** 2).keys()].sort((a, b) => Math.abs(start[a]!) - Math.abs(start[b]!));
    const pruned = new Set(order.slice(0, 0.25 * size ** 2));
    for (const [i, value] of values.entries()) expect([i, value === 0]).toEqual([i, pruned.has(i)]);
    expect(values).not.toEqual(start);
  });

  test('leaves weights that the run freezes as they are', async () => {
    const frozen = maskOfRanges(BigramLM.random(size, 5n).values.length, [{ start: 3, length: 30 }]);
    const { start, values } = await run(prune, { share: 0.9 }, { frozen });
    expect(values.slice(3, 33)).toEqual(start.slice(3, 33));
    expect(values.slice(33)).toContain(0);
  });
});

describe('l1-sparse', () => {
  test('adds a falling subgradient of the l1 norm to that of the retain loss', async () => {
    const model = BigramLM.random(size, 5n);
    const r = gradient(model, retain);
    const alpha = 0.01;
    const seen: number[][] = [];
    const step = async () => {
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
    // Each of the two retain sequences stands beside a target sequence once in two draws: take the whole set at once.
    const lab = new Lab({
      model,
      sets: { target, retain: [retain[0]!] },
      optimizer: () => optimizer as never,
      descent: { steps: 2, batchSize: 2 },
    });
    for await (const _ of l1Sparse.run(lab, settingsOf(l1Sparse, { alpha }))) void _;
    const own = gradient(model, [retain[0]!]);
    for (const [step, factor] of [alpha, alpha / 2].entries()) {
      for (const [i, each] of own.entries()) {
        expect(seen[step]![i]).toBeCloseTo(each + factor * Math.sign(model.values[i]!), 6);
      }
    }
    expect(r).not.toEqual(own);
  });

  test('with a soft threshold gives exact zeros', async () => {
    const { values } = await run(l1Sparse, { alpha: 20, soft: true });
    expect(values.filter((value) => value === 0).length).toBeGreaterThan(10);
    expect((await run(l1Sparse, { alpha: 20 })).values).not.toContain(0);
  });

  test('with a soft threshold leaves weights that the run freezes as they are', async () => {
    const frozen = maskOfRanges(BigramLM.random(size, 5n).values.length, [{ start: 3, length: 30 }]);
    const { start, values } = await run(l1Sparse, { alpha: 20, soft: true }, { frozen });
    expect(values.slice(3, 33)).toEqual(start.slice(3, 33));
    expect(values.slice(33)).toContain(0);
  });

  test('with a soft threshold refuses bfloat16 weights, which it would not move', async () => {
    const model = await NarrowModel.of(BigramLM.random(size, 5n));
    const lab = new Lab({ model, sets: { target, retain }, optimizer: () => new AdamW(model.parameters), descent });
    await expect(l1Sparse.run(lab, settingsOf(l1Sparse, { soft: true })).next()).rejects.toThrow(
      /shrinks weights by less than bf16 resolves; load the model in float32/,
    );
  });
});

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

test.each([wagle, prune, sam, average] as unknown as readonly Algorithm[])(
  '$name refuses a method inside that there is not',
  async (algorithm) => {
    expect(() => algorithm.needs(settingsOf(algorithm, { method: 'magic' }) as never)).toThrow(
      /method must be one of finetune/,
    );
  },
);
