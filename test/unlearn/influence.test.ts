import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { isFrozen, maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { randomStream } from '../../lib/core/random.ts';
import { TokenBatch, type TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { influence } from '../../lib/unlearn/algorithms/influence.ts';
import { Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { denseSolve } from './dense-solve.ts';

const size = 6;
const target: TokenSequence[] = [
  { tokens: [0, 1, 2, 3], labelsFrom: 1 },
  { tokens: [1, 2, 3], labelsFrom: 1 },
];
const retain: TokenSequence[] = [
  { tokens: [4, 5, 2, 4], labelsFrom: 1 },
  { tokens: [5, 1, 0, 5, 2], labelsFrom: 2 },
  { tokens: [3, 0, 2], labelsFrom: 1 },
];
const frozenPart = { start: 4, length: 9 };
const frozen = maskOfRanges(BigramLM.random(size, 5n).parameters.values.length, [frozenPart]);

async function run(model: BigramLM, given: object = {}, more: Partial<LabOptions> = {}): Promise<RunEvent[]> {
  const optimizer = () => new AdamW(model.parameters);
  const lab = new Lab({ model, sets: { target, retain }, optimizer, ...more });
  const events: RunEvent[] = [];
  try {
    for await (const event of influence.run(lab, settingsOf(influence, given))) events.push(event);
  } finally {
    await lab.release();
  }
  return events;
}

const labelCount = (sequences: readonly TokenSequence[]) =>
  sequences.reduce((sum, { tokens, labelsFrom }) => sum + tokens.length - labelsFrom, 0);

function* places(sequences: readonly TokenSequence[]): Generator<{ previous: number; label: number }> {
  for (const { tokens, labelsFrom } of sequences) {
    for (let t = labelsFrom; t < tokens.length; t++) yield { previous: tokens[t - 1]!, label: tokens[t]! };
  }
}

/** (1 / N) * sum of grad -log p over the forget set's label tokens, straight from the softmax. */
function forgetGradient(model: BigramLM): number[] {
  const gradient = new Array<number>(size ** 2).fill(0);
  for (const { previous, label } of places(target)) {
    model.logProbabilities(previous).forEach((logP, token) => {
      gradient[previous * size + token]! +=
        (Math.exp(logP) - (token === label ? 1 : 0)) / (labelCount(target) + labelCount(retain));
    });
  }
  return gradient;
}

/** The mean of J^T (diag(p) - p p^T) J over label tokens. */
function gaussNewton(model: BigramLM, sequences: readonly TokenSequence[]): number[][] {
  const matrix = Array.from({ length: size ** 2 }, () => new Array<number>(size ** 2).fill(0));
  for (const { previous } of places(sequences)) {
    const p = model.logProbabilities(previous).map(Math.exp);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        matrix[previous * size + i]![previous * size + j]! +=
          ((i === j ? p[i]! : 0) - p[i]! * p[j]!) / labelCount(sequences);
      }
    }
  }
  return matrix;
}

/** The mean over sequences, weighted by their labels, of B g^2 with g the gradient of the mean loss over the B labels that the model draws. */
async function sampledDiagonal(model: BigramLM, seed: bigint): Promise<number[]> {
  const seeds = randomStream(seed, 'curvature labels');
  const diagonal = new Array<number>(size ** 2).fill(0);
  for (const [i, sequence] of retain.entries()) {
    const copy = model.clone();
    const batch = TokenBatch.of([sequence]);
    const weights = new Float32Array(batch.labelCount).fill(1 / batch.labelCount);
    await copy.accumulate(batch, weights, { labels: { sampledWith: seeds.seed64(0, i) } });
    copy.gradients.subarray(0, size ** 2).forEach((g, at) => {
      diagonal[at]! += (batch.labelCount * g ** 2 * batch.labelCount) / labelCount(retain);
    });
  }
  return diagonal;
}

function expectMoved(model: BigramLM, before: readonly number[], step: readonly number[]): void {
  const scale = Math.max(...step.map(Math.abs));
  for (const [i, each] of step.entries())
    expect(model.values[i]! - before[i]!).toBeCloseTo(each, 4 - Math.log10(scale));
}

const mean = (values: readonly number[], count: number) => values.reduce((sum, each) => sum + each, 0) / count;

describe('influence by conjugate gradients', () => {
  const exact = { iterations: 100, tolerance: 1e-6, damping: 0.01 };

  test.each([1, 0.25])('is the dense solution in float64, times a strength of %d', async (strength) => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    const matrix = gaussNewton(model, retain).map((row, i) => row.map((value, j) => (i === j ? value + 0.01 : value)));
    const step = denseSolve(matrix, forgetGradient(model)).map((each) => strength * each);
    const events = await run(model, { ...exact, strength });
    expectMoved(model, before, step);
    expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
    const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
    expect(notes).toEqual([expect.stringMatching(/^damping 0\.0100; \d+ products; the weights are moved/)]);
    expect(notes[0]).toContain(Math.hypot(...step).toPrecision(3));
    expect(events.every(({ kind }) => kind !== 'step')).toBe(true);
  });

  test('raises the loss of the forget set', async () => {
    const model = BigramLM.random(size, 5n);
    const probability = async () => {
      const { logProbability } = await model.score(TokenBatch.of(target));
      return logProbability.reduce((sum, each) => sum + each, 0);
    };
    const before = await probability();
    await run(model, exact);
    expect(await probability()).toBeLessThan(before);
  });

  test('leaves frozen weights as they are, and solves for the others alone', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    const bits = frozen.array;
    const matrix = gaussNewton(model, retain).map((row, i) =>
      row.map((value, j) => {
        if (i === j) return isFrozen(bits, i) ? 1 : value + 0.01;
        return isFrozen(bits, i) || isFrozen(bits, j) ? 0 : value;
      }),
    );
    const gradient = forgetGradient(model).map((each, i) => (isFrozen(bits, i) ? 0 : each));
    const step = denseSolve(matrix, gradient);
    await run(model, exact, { frozen });
    expectMoved(model, before, step);
    const { start, length } = frozenPart;
    expect([...model.values].slice(start, start + length)).toEqual(before.slice(start, start + length));
  });

  test('takes its damping from the mean of the diagonal, of the weights that it may move', async () => {
    for (const mask of [undefined, frozen]) {
      const model = BigramLM.random(size, 5n);
      const movable = size ** 2 - (mask ? frozenPart.length : 0);
      const diagonal = (await sampledDiagonal(model, 3n)).filter((_, i) => !mask || !isFrozen(mask.array, i));
      const events = await run(model, { relativeDamping: 0.5 }, { seed: 3n, ...(mask ? { frozen: mask } : {}) });
      const { text } = events.find((event) => event.kind === 'note') as { text: string };
      expect(text).toContain(`damping ${(0.5 * mean(diagonal, movable)).toPrecision(3)};`);
    }
  });

  test('whose mean is over label tokens, as the products are, however long their sequences', async () => {
    const certain = Array.from({ length: 61 }, (_, i) => i % 2);
    const uneven = [
      { tokens: certain, labelsFrom: 1 },
      { tokens: [4, 5], labelsFrom: 1 },
    ];
    const make = () => {
      const model = BigramLM.random(size, 5n);
      for (const at of [1, size]) model.values[at] = 8;
      return model;
    };
    const trace = gaussNewton(make(), uneven).reduce((sum, row, i) => sum + row[i]!, 0);
    const dampings = [];
    for (let seed = 0n; seed < 400n; seed++) {
      const sets = { target, retain: uneven };
      const events = await run(make(), { relativeDamping: 1, iterations: 1 }, { seed, sets });
      const { text } = events.find((event) => event.kind === 'note') as { text: string };
      dampings.push(Number(/^damping (\S+);/.exec(text)![1]));
    }
    expect(mean(dampings, dampings.length) / (trace / size ** 2)).toBeGreaterThan(0.85);
    expect(mean(dampings, dampings.length) / (trace / size ** 2)).toBeLessThan(1.15);
  });

  test('makes the matrix of as many sequences as it is told, the same in every product and in batches of any size', async () => {
    const steps = [];
    for (const batchSize of [1, 2]) {
      const model = BigramLM.random(size, 5n);
      const asked: number[] = [];
      const product = model.addGaussNewtonProduct.bind(model);
      model.addGaussNewtonProduct = async (batch, ...more) => {
        asked.push(batch.size);
        return product(batch, ...more);
      };
      await run(model, { ...exact, iterations: 3, sequences: 2 }, { descent: { batchSize } });
      expect(asked).toEqual(batchSize === 1 ? [1, 1, 1, 1, 1, 1] : [2, 2, 2]);
      steps.push([...model.values]);
    }
    for (const [i, value] of steps[0]!.entries()) expect(steps[1]![i]).toBeCloseTo(value, 5);
  });

  test('is refused to models without products, and to bfloat16, before anything is run', async () => {
    const model = BigramLM.random(size, 5n);
    const { parameters, vocabularySize } = model;
    const without = { parameters, vocabularySize } as unknown as BigramLM;
    const narrow = FlatBuffer.alloc(parameters.values.length, { dtype: 'bf16' });
    const addGaussNewtonProduct = () => Promise.reject(new Error('called'));
    const inBf16 = { parameters: { ...parameters, values: narrow }, addGaussNewtonProduct } as unknown as BigramLM;
    for (const each of [without, inBf16]) {
      await expect(run(each)).rejects.toMatchObject({
        code: 'SOUL_UNSUPPORTED',
        message: expect.stringContaining("form 'diagonal'"),
      });
    }
  });
});

describe('influence by the diagonal', () => {
  test.each([undefined, 0.02])('divides by the estimate of the diagonal, damped (%s)', async (damping) => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    const diagonal = await sampledDiagonal(model, 7n);
    const added = damping ?? 0.5 * mean(diagonal, size ** 2);
    const step = forgetGradient(model).map((g, i) => (2 * 0.3 * g) / (diagonal[i]! + added));
    const given = {
      form: 'diagonal',
      strength: 2,
      diagonalShare: 0.3,
      relativeDamping: 0.5,
      ...(damping ? { damping } : {}),
    };
    await run(model, given, { seed: 7n });
    expectMoved(model, before, step);
    expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
  });

  test('leaves frozen weights as they are', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    await run(model, { form: 'diagonal' }, { frozen });
    const { start, length } = frozenPart;
    expect([...model.values].slice(start, start + length)).toEqual(before.slice(start, start + length));
    expect(model.values[0]).not.toBe(before[0]);
  });
});

describe.each(['conjugate-gradient', 'diagonal'])('influence by %s', (form) => {
  test('cancelled at any of its events leaves the weights as they are, bit for bit', async () => {
    const count = (await run(BigramLM.random(size, 5n), { form, iterations: 3 })).length;
    expect(count).toBeGreaterThan(3);
    for (let after = 0; after < count; after++) {
      const model = BigramLM.random(size, 5n);
      const before = [...model.values];
      const controller = new AbortController();
      const { signal } = controller;
      const sets = { target, retain };
      const lab = new Lab({ model, sets, optimizer: () => new AdamW(model.parameters), signal });
      let seen = 0;
      const cancelled = (async () => {
        for await (const _ of influence.run(lab, settingsOf(influence, { form, iterations: 3 }))) {
          if (seen++ === after) controller.abort();
        }
      })();
      await expect(cancelled).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      await lab.release();
      expect([...model.values]).toEqual(before);
    }
  });

  test('without a retain set is refused, and changes nothing', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    for (const sets of [{ target }, { target, retain: [] }]) {
      await expect(run(model, { form }, { sets })).rejects.toMatchObject({ details: { argument: 'retain' } });
    }
    expect([...model.values]).toEqual(before);
  });

  test('of a damaged model ends in an error, and changes nothing', async () => {
    const model = BigramLM.random(size, 5n);
    model.values[size] = Number.NaN;
    const before = [...model.values];
    await expect(run(model, { form })).rejects.toMatchObject({ code: 'SOUL_NON_FINITE' });
    expect([...model.values]).toEqual(before);
  });
});

test.each([
  { strength: -1 },
  { damping: 0 },
  { relativeDamping: 0 },
  { iterations: 0 },
  { sequences: 0.5 },
  { form: 'kfac' },
])('influence refuses %j', (given) => {
  expect(() => settingsOf(influence, given)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
});
