import { expect, test } from '@jest/globals';
import { labelSpansOf, type TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { References, referenceValues } from '../../lib/unlearn/reference-values.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const tokens = [0, 1, 2, 3, 4, 5, 6, 7];
/** The same tokens and the same first label, but other labels. */
const conversations: TokenSequence[] = [
  {
    tokens,
    labelsFrom: 1,
    labelSpans: [
      [1, 3],
      [5, 6],
    ],
  },
  {
    tokens,
    labelsFrom: 1,
    labelSpans: [
      [1, 2],
      [4, 5],
      [7, 8],
    ],
  },
];
const retain: TokenSequence[] = [{ tokens: [7, 2, 4], labelsFrom: 1 }];

/** A bigram model sees of a span no more than the token before it. */
const pieces = conversations.flatMap((sequence) =>
  labelSpansOf(sequence).map(([begin, end]) => ({ tokens: tokens.slice(begin - 1, end), labelsFrom: 1 })),
);

test('a descent on conversations is one on their spans', async () => {
  const runs = [];
  for (const target of [conversations, pieces]) {
    const model = BigramLM.random(8, 2n);
    const events: StepEvent[] = [];
    await train({
      ...{ model, target, retain, steps: 3, batchSize: target.length, method: method('graddiff') },
      optimizer: new AdamW(model.parameters, { learningRate: 0.1 }),
      onStep: (event) => void events.push(event),
    });
    runs.push({ values: model.values, losses: events.map(({ loss, tokens: count }) => [loss, count]) });
  }
  const [found, expected] = runs;
  // Three of each conversation, and two of the retained sequence beside each.
  expect(found!.losses.map(([, count]) => count)).toEqual([10, 10, 10]);
  for (const [i, [loss]] of found!.losses.entries()) expect(loss).toBeCloseTo(expected!.losses[i]![0]!, 5);
  for (const [i, value] of found!.values.entries()) expect(value).toBeCloseTo(expected!.values[i]!, 5);
});

test('reference values of sequences that several terms have are computed once, and stay where more come', async () => {
  const model = BigramLM.random(8, 2n);
  const references = new References();
  const [first, second] = conversations;
  let scored = 0;
  const score = model.score.bind(model);
  model.score = (batch, ...more) => {
    scored += batch.size;
    return score(batch, ...more);
  };
  await references.add(model, [first!, retain[0]!, first!], 2);
  await references.add(model, [retain[0]!, second!], 2);
  expect(scored).toBe(3);
  const all = [first!, second!, retain[0]!];
  expect(references.of(all)).toEqual(await referenceValues(model, all, 3));
});

test('reference values are of the labels, not of the tokens', async () => {
  const model = BigramLM.random(8, 2n);
  const values = await referenceValues(model, conversations, 2);
  const places = [
    [1, 2, 5],
    [1, 4, 7],
  ];
  for (const [i, own] of places.entries()) {
    const expected = own.map((t) => -model.logProbabilities(tokens[t - 1]!)[tokens[t]!]!);
    expect([...values[i]!]).toEqual(expected.map(Math.fround));
  }
  const events: StepEvent[] = [];
  const optimizer = new AdamW(model.parameters, { learningRate: 0.1 });
  await train({
    ...{ model, optimizer, target: conversations, retain, steps: 1, batchSize: 2 },
    method: method('npo', { beta: 0.5, retainCoefficient: 0 }),
    onStep: (event) => void events.push(event),
  });
  // The model is its own reference: -2 / beta * log(1 / 2).
  expect(events[0]!.losses.forget).toBeCloseTo(4 * Math.log(2), 6);
});
