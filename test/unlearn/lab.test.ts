import { expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW, type FlatBuffer, SGD, Sophia } from '../../lib/index.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { crossEntropy, type DescentOptions, Lab, type LabDescent, method, targetSet } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const target: TokenSequence[] = [0, 1, 2, 3].map((first) => ({ tokens: [first, 1, 2], labelsFrom: 1 }));

test.each<[DescentOptions, LabDescent, number]>([
  [{ steps: 6 }, {}, 6],
  [{ steps: 6 }, { epochs: 1 }, 2],
  [{ epochs: 3 }, { steps: 1 }, 1],
  [{ epochs: 3 }, { epochs: 1 }, 2],
  [{ epochs: 3 }, { pairing: 'fixed' }, 6],
])('in a run of %p a descent of %p takes %d steps', async (descent, own, steps) => {
  const model = BigramLM.random(6, 2n);
  const lab = new Lab({
    model,
    sets: { target },
    optimizer: (options) => new AdamW(model.parameters, options),
    descent: { ...descent, batchSize: 2 },
  });
  const events = lab.descend(method('finetune'), own);
  let last = await events.next();
  while (!last.done) last = await events.next();
  expect(last.value.steps).toBe(steps);
  await lab.release();
});

test('the gradient over a whole source is the same in micro-batches of any size', async () => {
  const uneven: TokenSequence[] = [
    { tokens: [0, 1, 2, 3, 4, 5], labelsFrom: 1 },
    { tokens: [1, 2], labelsFrom: 1 },
    { tokens: [3, 2, 4], labelsFrom: 2 },
  ];
  const gradientBy = async (microBatchSize: number) => {
    const model = BigramLM.random(6, 2n);
    const lab = new Lab({
      model,
      sets: { target: uneven },
      optimizer: (options) => new AdamW(model.parameters, options),
      descent: { microBatchSize },
    });
    const events = lab.gradient({ name: 'forget', source: targetSet, objective: crossEntropy });
    let last = await events.next();
    while (!last.done) last = await events.next();
    return [last.value, ...model.gradients];
  };
  const whole = await gradientBy(3);
  for (const size of [1, 2]) {
    for (const [i, each] of (await gradientBy(size)).entries()) expect(each).toBeCloseTo(whole[i]!, 6);
  }
});

test('the gradient of a loss that is not finite is none', async () => {
  const model = BigramLM.random(6, 2n);
  model.values[0 * 6 + 1] = Number.NaN;
  const lab = new Lab({ model, sets: { target }, optimizer: (options) => new AdamW(model.parameters, options) });
  const events = lab.gradient({ name: 'forget', source: targetSet, objective: crossEntropy });
  await expect(events.next()).rejects.toThrow(/the loss of forget is NaN over examples 0 to 3/);
});

test('the gradient of frozen weights is 0, whatever it was, of a sequence by itself too', async () => {
  const model = BigramLM.random(6, 2n);
  const { accumulate } = model;
  // What a layer that overflows leaves.
  model.accumulate = async (...given) => {
    const losses = await accumulate.apply(model, given);
    model.gradients[3] = Number.POSITIVE_INFINITY;
    return losses;
  };
  const frozen = maskOfRanges(model.values.length, [{ start: 1, length: 13 }]);
  const lab = new Lab({
    model,
    sets: { target },
    frozen,
    optimizer: (options) => new AdamW(model.parameters, options),
  });
  const term = { name: 'forget', source: targetSet, objective: crossEntropy };
  const plain = new Lab({
    model: BigramLM.random(6, 2n),
    sets: { target },
    optimizer: (options) => new AdamW(model.parameters, options),
  });
  for await (const _ of plain.gradient(term));
  for await (const _ of lab.gradient(term));
  const expected = [...plain.model.parameters.gradients.array].map((each, i) => (i >= 1 && i < 14 ? 0 : each));
  expect([...model.gradients]).toEqual(expected);
  expect(expected.filter((each) => each !== 0).length).toBeGreaterThan(5);

  let visits = 0;
  const events = lab.gradient(term, async () => {
    visits += 1;
    expect([...model.gradients].slice(1, 14)).toEqual(new Array(13).fill(0));
    expect(model.gradients.some((each) => each !== 0)).toBe(visits !== 2);
  });
  for await (const _ of events);
  expect(visits).toBe(4);
});

test('a lab, its optimizers and a model are given up at the end of a block', async () => {
  const model = BigramLM.random(6, 2n);
  let kept: FlatBuffer;
  const momenta: FlatBuffer[] = [];
  {
    await using lab = new Lab({
      model,
      sets: { target },
      optimizer: (options) => new AdamW(model.parameters, options),
    });
    kept = await lab.snapshot();
    await using adamw = new AdamW(model.parameters);
    await using sophia = new Sophia(model.parameters);
    await using sgd = new SGD(model.parameters);
    for (const { state } of [adamw, sophia, sgd]) momenta.push(state.momentum);
    expect(momenta.map(({ released }) => released)).toEqual([false, false, false]);
  }
  expect(kept.released).toBe(true);
  expect(momenta.map(({ released }) => released)).toEqual([true, true, true]);
});
