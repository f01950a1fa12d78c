import { expect, test } from '@jest/globals';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { type DescentOptions, Lab, type LabDescent, method } from '../../lib/unlearn/index.ts';
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
