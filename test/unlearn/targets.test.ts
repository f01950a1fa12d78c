import { describe, expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { type MethodName, method } from '../../lib/unlearn/registry.ts';
import { train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { logSoftmax } from '../native/log-softmax.ts';

const vocabulary = 6;
const sequences: TokenSequence[] = [
  { tokens: [0, 1, 2, 2], labelsFrom: 2 },
  { tokens: [3, 4], labelsFrom: 1 },
];
/** What comes before each label token, and the label. */
const places = [
  [1, 2],
  [2, 2],
  [3, 4],
] as const;

const rowOf = (model: BigramLM, previous: number): Float32Array =>
  model.values.slice(previous * vocabulary, (previous + 1) * vocabulary);

/** Loss and gradient of the mean over label tokens of -sum t * log p, t the softmax of the rows with the label's logit shifted. */
function closedForm(model: BigramLM, rows: BigramLM, shift: number): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(vocabulary ** 2);
  let loss = 0;
  for (const [previous, label] of places) {
    const logP = logSoftmax(rowOf(model, previous));
    const masses = Array.from(rowOf(rows, previous), (logit, i) => Math.exp(logit + (i === label ? shift : 0)));
    const sum = masses.reduce((a, b) => a + b);
    for (const [i, mass] of masses.entries()) {
      loss -= (mass / sum) * logP[i]!;
      gradient[previous * vocabulary + i]! += Math.exp(logP[i]!) - mass / sum;
    }
  }
  return { loss: loss / places.length, gradient: gradient.map((x) => x / places.length) };
}

describe.each([
  ['undial', {}, -10, 'start'],
  ['undial', { beta: 2.5 }, -2.5, 'start'],
  ['ceu', {}, Number.NEGATIVE_INFINITY, 'self'],
] as [MethodName, object, number, string][])('%s with %p', (name, settings, shift, from) => {
  const term = method(name, settings).terms[0]!;

  test('has the loss and the gradient of its formula', async () => {
    const [model, start] = [BigramLM.random(vocabulary, 1n, 2), BigramLM.random(vocabulary, 2n, 2)];
    const exact = closedForm(model, from === 'self' ? model : start, shift);
    const { loss } = await pullBack(model, term, sequences, { microBatchSize: 1, referenceModel: start });
    expect(loss).toBeCloseTo(exact.loss, 5);
    for (const [i, each] of exact.gradient.entries()) expect(model.gradients[i]).toBeCloseTo(each, 6);
  });

  test('lowers what is to be forgotten, to its target where that is fixed', async () => {
    const [model, start] = [BigramLM.random(vocabulary, 3n, 2), BigramLM.random(vocabulary, 3n, 2)];
    const optimizer = new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0 });
    const only = { method: method(name, settings), target: sequences };
    await train({ model, optimizer, ...only, referenceModel: start, batchSize: 2, epochs: 300 });
    for (const [previous, label] of places) {
      const [before, after] = [start, model].map((of) => logSoftmax(rowOf(of, previous)));
      expect(after![label]).toBeLessThan(before![label]! - 1);
      if (from === 'self') continue;
      const shifted = Array.from(rowOf(start, previous), (logit, i) => logit + (i === label ? shift : 0));
      for (const [token, wanted] of logSoftmax(shifted).entries()) {
        if (token !== label) expect(after![token]).toBeCloseTo(wanted, 1);
      }
    }
  });
});

test('UNDIAL asks for the starting model, CE-U for none, and a model that gives no targets is refused', async () => {
  const model = BigramLM.random(vocabulary, 1n);
  const optimizer = new AdamW(model.parameters, { learningRate: 0.05 });
  const only = { model, optimizer, target: sequences, batchSize: 2, epochs: 1 };
  await expect(train({ ...only, method: method('undial') })).rejects.toThrow(/referenceModel/);
  await expect(train({ ...only, method: method('ceu') })).resolves.toBeDefined();
  const plain = Object.create(model, { targetCrossEntropy: { value: undefined } }) as BigramLM;
  await expect(train({ ...only, model: plain, method: method('ceu') })).rejects.toMatchObject({
    code: 'SOUL_UNSUPPORTED',
  });
});
