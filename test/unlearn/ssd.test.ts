import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { cast } from '../../lib/core/vector-operations.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { ssd } from '../../lib/unlearn/algorithms/ssd.ts';
import { Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const size = 8;
const target: TokenSequence[] = [
  { tokens: [0, 1, 2, 3], labelsFrom: 1 },
  { tokens: [1, 2, 3], labelsFrom: 1 },
  { tokens: [4, 6], labelsFrom: 1 },
];
const retain: TokenSequence[] = [
  { tokens: [4, 6, 7, 4], labelsFrom: 1 },
  { tokens: [5, 6, 7, 5, 2], labelsFrom: 2 },
];

async function run(model: BigramLM, given: object = {}, more: Partial<LabOptions> = {}): Promise<RunEvent[]> {
  const optimizer = () => new AdamW(model.parameters);
  const lab = new Lab({ model, sets: { target, retain }, optimizer, ...more });
  const events: RunEvent[] = [];
  try {
    for await (const event of ssd.run(lab, settingsOf(ssd, given))) events.push(event);
  } finally {
    await lab.release();
  }
  return events;
}

/** The mean over sequences of squared derivatives of each one's token-mean loss, straight from the softmax. */
function fisher(model: BigramLM, sequences: readonly TokenSequence[]): number[] {
  const mean = new Array<number>(size ** 2).fill(0);
  for (const { tokens, labelsFrom } of sequences) {
    const gradient = new Array<number>(size ** 2).fill(0);
    for (let t = labelsFrom; t < tokens.length; t++) {
      model.logProbabilities(tokens[t - 1]!).forEach((logP, token) => {
        gradient[tokens[t - 1]! * size + token]! +=
          (Math.exp(logP) - (token === tokens[t] ? 1 : 0)) / (tokens.length - labelsFrom);
      });
    }
    gradient.forEach((each, i) => {
      mean[i]! += each ** 2 / sequences.length;
    });
  }
  return mean;
}

function dampened(model: BigramLM, alpha: number, lambda: number): number[] {
  const [needed, kept] = [fisher(model, target), fisher(model, retain)];
  return needed.map((f, i) => {
    const value = model.values[i]!;
    return f > alpha * kept[i]! ? value * Math.min((lambda * kept[i]!) / f, 1) : value;
  });
}

describe('selective synaptic dampening', () => {
  test.each([
    [10, 1],
    [1, 1],
    [0.5, 1],
    [2, 0.3],
    [0, 5],
  ])('with alpha %d and lambda %d is what the definition says', async (alpha, lambda) => {
    const model = BigramLM.random(size, 5n);
    const [before, expected] = [[...model.values], dampened(model, alpha, lambda)];
    const [needed, kept] = [fisher(model, target), fisher(model, retain)];
    const count = needed.filter((f, i) => f > alpha * kept[i]!).length;
    const events = await run(model, { alpha, lambda });
    const changed = expected.filter((value, i) => value !== before[i]).length;
    expect(changed).toBeGreaterThan(0);
    expected.forEach((value, i) => {
      if (value === before[i]) expect(model.values[i]).toBe(value);
      else expect(model.values[i]).toBeCloseTo(value, 6);
    });
    expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
    const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
    expect(notes).toEqual([`${count} of 64 weights were dampened`]);
    expect(events.every(({ kind }) => kind !== 'step')).toBe(true);
  });

  test('leaves what the forget set has no use for, and zeroes what it alone needs', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    await run(model);
    const row = (values: ArrayLike<number>, of: number) => Array.from(values).slice(of * size, (of + 1) * size);
    for (const untouched of [3, 5, 7]) expect(row(model.values, untouched)).toEqual(row(before, untouched));
    for (const alone of [0, 1, 2]) expect(row(model.values, alone).every((value) => value === 0)).toBe(true);
  });

  test('leaves frozen weights as they are', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    const frozen = maskOfRanges(model.parameters.values.length, [{ start: 3, length: 10 }]);
    const events = await run(model, {}, { frozen });
    expect(events).toContainEqual({ kind: 'note', text: expect.stringMatching(/^\d+ of 54 weights were dampened$/) });
    expect([...model.values].slice(3, 13)).toEqual(before.slice(3, 13));
    expect(model.values[0]).toBe(0);
  });

  test('changes bfloat16 weights in place', async () => {
    const model = BigramLM.random(size, 5n);
    const narrow = FlatBuffer.alloc(model.parameters.values.length, { dtype: 'bf16' });
    await cast(model.parameters.values, narrow);
    await cast(narrow, model.parameters.values);
    const expected = dampened(model, 10, 1);
    const gradients = FlatBuffer.alloc(narrow.length, { dtype: 'bf16' });
    const accumulate = async (...given: Parameters<BigramLM['accumulate']>) => {
      const losses = await model.accumulate(...given);
      await cast(model.parameters.gradients, gradients);
      await model.parameters.gradients.fill(0);
      return losses;
    };
    const parameters = { values: narrow, gradients, layout: model.parameters.layout };
    const inBf16 = { vocabularySize: size, parameters, accumulate } as unknown as BigramLM;
    await run(inBf16);
    const after = FlatBuffer.alloc(narrow.length);
    await cast(narrow, after);
    expected.forEach((value, i) => {
      expect(Math.abs(after.array[i]! - value)).toBeLessThanOrEqual(Math.abs(value) / 32);
    });
  });

  test('without a retain set would zero everything, and is refused', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    for (const sets of [{ target }, { target, retain: [] }]) {
      await expect(run(model, {}, { sets })).rejects.toMatchObject({
        code: 'SOUL_INVALID_ARGUMENT',
        details: { argument: 'retain' },
      });
    }
    expect([...model.values]).toEqual(before);
  });

  test('says which sequence has no finite gradient, and changes nothing', async () => {
    const model = BigramLM.random(size, 5n);
    model.values[1 * size] = Number.NaN;
    const before = [...model.values];
    const damaged = run(model, {}, { sets: { target: [target[2]!, target[1]!], retain } });
    await expect(damaged).rejects.toMatchObject({ code: 'SOUL_NON_FINITE', details: { term: 'forget', sequence: 1 } });
    expect([...model.values]).toEqual(before);
  });

  test('ends when it is cancelled, and changes nothing', async () => {
    const model = BigramLM.random(size, 5n);
    const before = [...model.values];
    await expect(run(model, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    expect([...model.values]).toEqual(before);
  });

  test.each([{ alpha: -1 }, { lambda: -0.1 }, { alpha: Number.NaN }, { lamda: 1 }])('refuses %j', (given) => {
    expect(() => settingsOf(ssd, given)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });
});
