import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { Lab } from '../../lib/unlearn/lab.ts';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { directPreference } from '../../lib/unlearn/objectives/direct-preference.ts';
import { negativePreference } from '../../lib/unlearn/objectives/negative-preference.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { refusalSet, retainSet, targetSet } from '../../lib/unlearn/source.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const vocabulary = 9;
const sequence = (...tokens: number[]): TokenSequence => ({ tokens, labelsFrom: 1 });
const target = [sequence(0, 1, 2), sequence(1, 3), sequence(2, 4, 5, 6)];
const retain = [sequence(3, 7, 8), sequence(4, 4), sequence(5, 2, 7)];
const refusalsOf = (index: number, refusal: number) => sequence(index, 8, refusal, 8);
const refusals = { count: 3, of: refusalsOf };
const alternatives = [[sequence(0, 6)], [sequence(1, 5, 5), sequence(1, 7)], [sequence(2, 3)]];

function run(options: Pick<TrainingOptions, 'method'> & Partial<TrainingOptions>) {
  const model = BigramLM.random(vocabulary, 4n);
  const optimizer = new AdamW(model.parameters, { learningRate: 0.1, weightDecay: 0 });
  const events: StepEvent[] = [];
  const onStep = (event: StepEvent) => void events.push(event);
  const done = train({
    model,
    optimizer,
    target,
    retain,
    refusals,
    alternatives,
    batchSize: 2,
    onStep,
    epochs: 3,
    ...options,
  });
  return { model, events, done };
}

describe('micro-batches of any size give the same gradient', () => {
  test.each(['npo', 'simnpo', 'dpo', 'idkdpo', 'altpo', 'uce', 'wga', 'satimp', 'po', 'pdu', 'undial', 'ceu'] as const)(
    'of %s',
    async (name) => {
      const losses: number[][] = [];
      for (const microBatchSize of [1, 2, 3, 8]) {
        const referenceModel = BigramLM.random(vocabulary, 4n);
        const { events, done } = run({ method: method(name), microBatchSize, batchSize: 3, referenceModel });
        await done;
        losses.push(events.flatMap((event) => Object.values(event.losses)));
      }
      for (const other of losses.slice(1)) {
        for (const [i, loss] of losses[0]!.entries()) expect(other[i]).toBeCloseTo(loss, 5);
      }
    },
  );

  test('for pairs, which are never parted', async () => {
    const model = BigramLM.random(vocabulary, 4n);
    const pairs = alternatives.flatMap(([first], i) => [first!, target[i]!]);
    const reference = pairs.map(({ tokens }) => new Float32Array(tokens.length - 1).fill(1));
    const gradients: number[][] = [];
    for (const microBatchSize of [1, 2, 5, 6]) {
      await model.parameters.gradients.fill(0);
      await pullBack(model, { objective: directPreference() }, pairs, { microBatchSize, width: 2, reference });
      gradients.push([...model.parameters.gradients.array]);
    }
    for (const other of gradients.slice(1)) {
      for (const [i, each] of gradients[0]!.entries()) expect(other[i]).toBeCloseTo(each, 6);
    }
    await expect(
      pullBack(model, { objective: directPreference() }, pairs.slice(1), { microBatchSize: 2, width: 2 }),
    ).rejects.toThrow(/sequences must be a multiple of 2/);
  });
});

// At the starting model NPO's loss is (2 / beta) log 2 whatever the data, if and only if the reference is that of the same tokens.
const atTheStart = (2 / 0.1) * Math.log(2);

describe('reference values belong to the sequences that they were computed on', () => {
  test.each([
    ['the target', targetSet],
    ['the retain set', retainSet],
    ['refusals', refusalSet],
  ])('on %s', async (_, source) => {
    const npo = { name: 'first', source, objective: negativePreference() };
    const { events, done } = run({ method: { name: 'own', terms: [npo] }, learningRate: 0 });
    await done;
    for (const { losses } of events) expect(losses.first).toBeCloseTo(atTheStart, 4);
  });
});

describe('KL to the starting model', () => {
  test('is 0 there, and is the closed form elsewhere', async () => {
    const reference = BigramLM.random(vocabulary, 4n);
    const terms = [
      { name: 'away', source: targetSet, objective: crossEntropy },
      { name: 'kl', source: retainSet, objective: crossEntropy, quantity: 'kl' as const },
    ];
    const { model, events, done } = run({
      method: { name: 'own', terms },
      referenceModel: reference,
      steps: 4,
      epochs: undefined as never,
    });
    await done;
    expect(events[0]!.losses.kl).toBeCloseTo(0, 6);
    expect(Math.max(...events.map(({ losses }) => losses.kl!))).toBeGreaterThan(1e-4);
    // KL(reference || model) of one row of the table.
    const row = (table: Float32Array, token: number) => [...table.slice(token * vocabulary, (token + 1) * vocabulary)];
    const softmax = (logits: number[]) => {
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      return logits.map((logit) => Math.exp(logit) / total);
    };
    const [p, q] = [softmax(row(reference.values as Float32Array, 5)), softmax(row(model.values as Float32Array, 5))];
    const expected = p.reduce((sum, each, i) => sum + each * Math.log(each / q[i]!), 0);
    const value = await pullBack(model, { objective: crossEntropy, quantity: 'kl' }, [sequence(5, 0)], {
      microBatchSize: 1,
      referenceModel: reference,
    });
    expect(value.loss).toBeCloseTo(expected, 5);
  });

  test('is refused without a starting model', async () => {
    const { done } = run({ method: method('graddiff', { retainLoss: 'kl' }) });
    await expect(done).rejects.toThrow(/compares with the starting model; give it as referenceModel/);
  });
});

describe('a coefficient that follows the losses', () => {
  test('rises while the retain loss is above its bound, never falls below 0, and is told', async () => {
    const { events, done } = run({ method: method('pdu', { epsilon: 0.5, dualStep: 2, dualStart: 1 }) });
    await done;
    let expected = 1;
    for (const { coefficients, losses, loss } of events) {
      expect(coefficients!.retain).toBeCloseTo(expected, 6);
      expect(loss).toBeCloseTo(losses.forget! + expected * losses.retain!, 6);
      expected = Math.max(0, expected + 2 * (losses.retain! - 0.5));
    }
    expect(events.at(-1)!.coefficients!.retain).toBeGreaterThan(1);
    const { events: low, done: ended } = run({ method: method('pdu', { epsilon: 100, dualStep: 1, dualStart: 1 }) });
    await ended;
    expect(low.at(-1)!.coefficients!.retain).toBe(0);
  });
});

test('what a method needs and is not there is named', async () => {
  const { done } = run({ method: method('altpo'), alternatives: [] });
  await expect(done).rejects.toThrow(/the method altpo needs alternatives, but there are no other answers/);
  const { done: other } = run({ method: method('altpo'), alternatives: [[sequence(0, 1)], [], []] });
  await expect(other).rejects.toThrow(/alternatives\[1\] holds no sequence/);
});

test('the gradient over a whole source has reference values of the model as it is', async () => {
  const model = BigramLM.random(vocabulary, 4n);
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: () => new AdamW(model.parameters),
    descent: { batchSize: 2 },
  });
  const npo = { name: 'forget', source: targetSet, objective: negativePreference() };
  const events = lab.gradient(npo);
  let last = await events.next();
  while (!last.done) last = await events.next();
  expect(last.value).toBeCloseTo(atTheStart, 4);
  await expect(lab.gradient({ ...npo, objective: crossEntropy, quantity: 'kl' }).next()).rejects.toThrow(
    /forget compares with the starting model, and this lab has no copy/,
  );
});
