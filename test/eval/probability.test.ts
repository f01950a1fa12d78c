import { expect, test } from '@jest/globals';
import { probability } from '../../lib/eval/probability.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { BigramLM } from '../model/bigram-lm.ts';

test('the probability of a conversation is that of its label tokens', async () => {
  const model = BigramLM.random(6, 3n);
  const examples: TokenSequence[] = [
    { tokens: [5, 1], labelsFrom: 1 },
    {
      tokens: [0, 1, 2, 3, 4, 5],
      labelsFrom: 1,
      labelSpans: [
        [1, 2],
        [3, 5],
      ],
    },
  ];
  const [, found] = await probability(model, examples, { batchSize: 2 });
  const labels = [1, 3, 4].map((token) => model.logProbabilities(token - 1)[token]!);
  const mean = labels.reduce((sum, value) => sum + value, 0) / 3;
  expect(found!.labelTokens).toBe(3);
  expect(found!.meanNegativeLogLikelihood).toBeCloseTo(-mean, 6);
  expect(found!.probability).toBeCloseTo(Math.exp(mean), 6);
});
