import { describe, expect, test } from '@jest/globals';
import { crossEntropy } from '../../lib/unlearn/objectives/cross-entropy.ts';
import { gradientAscent } from '../../lib/unlearn/objectives/gradient-ascent.ts';
import { negativePreference } from '../../lib/unlearn/objectives/negative-preference.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { referenceValues } from '../../lib/unlearn/reference-values.ts';
import { termLoss } from '../../lib/unlearn/term-loss.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { size, target } from './zeroth-order-lab.ts';

describe('the loss of a term without a gradient', () => {
  test.each([1, 2, 8])('is that of the pass that is pulled back, %d sequences at a time', async (microBatchSize) => {
    const model = BigramLM.random(size, 2n);
    const start = BigramLM.random(size, 5n);
    const reference = await referenceValues(start, target, 8);
    const more = { microBatchSize, reference, whole: { tokens: 20, sequences: 4 }, referenceModel: start };
    for (const term of [
      { objective: crossEntropy },
      { objective: gradientAscent, quantity: 'kl' },
      { objective: negativePreference({ beta: 0.3 }) },
    ] as const) {
      const found = await termLoss(model, term, target, more);
      const pulled = await pullBack(model.clone(), term, target, more);
      expect(found.tokens).toBe(pulled.tokens);
      expect(Math.abs(found.loss - pulled.loss)).toBeLessThan(1e-6);
    }
    expect(model.gradients.every((x) => x === 0)).toBe(true);
  });
});
