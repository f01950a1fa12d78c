import { describe, expect, it } from '@jest/globals';

import { TokenBatch } from '../../lib/model/token-batch.ts';
import { BigramLM } from './bigram-lm.ts';

const batch = TokenBatch.of([
  { tokens: [0, 1, 2, 1], labelsFrom: 1 },
  { tokens: [3, 3, 0], labelsFrom: 2 },
]);

/** d(sum of weights * values) / d(logit), by central differences in the table. */
async function differences(model: BigramLM, loss: (model: BigramLM) => Promise<number>): Promise<number[]> {
  const step = 1e-2;
  const gradient: number[] = [];
  for (let i = 0; i < model.vocabularySize ** 2; i++) {
    const [up, down] = [model.clone(), model.clone()];
    up.values[i]! += step;
    down.values[i]! -= step;
    gradient.push(((await loss(up)) - (await loss(down))) / (up.values[i]! - down.values[i]!));
  }
  return gradient;
}

function expectClose(found: Float32Array, expected: number[]): void {
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 3);
}

const weights = Float32Array.of(0.5, -1, 2, 0.25);
const weighted = (values: Float32Array): number => values.reduce((sum, value, i) => sum + value * weights[i]!, 0);

describe('BigramLM, the test double', () => {
  it('pulls nll back as finite differences say', async () => {
    const model = BigramLM.random(4, 1n, 2);
    const pass = await model.nll(batch);
    expect([...pass.offsets]).toEqual([0, 3, 4]);
    await pass.backward(weights);
    expectClose(model.gradients, await differences(model, async (other) => weighted((await other.nll(batch)).values)));
    await expect(pass.backward(weights)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
  });

  it('pulls the divergence from a reference back as finite differences say', async () => {
    const [model, reference] = [BigramLM.random(4, 1n, 2), BigramLM.random(4, 2n, 2)];
    const pass = await model.klTo(reference, batch);
    await pass.backward(weights);
    const loss = async (other: BigramLM) => weighted((await other.klTo(reference, batch)).values);
    expectClose(model.gradients, await differences(model, loss));
    expect([...(await model.klTo(model, batch)).values]).toEqual([0, 0, 0, 0]);
  });

  it.each([-3, 0, Number.NEGATIVE_INFINITY])('pulls the cross-entropy to a target back, shift %f', async (shift) => {
    const [model, reference] = [BigramLM.random(4, 1n, 2), BigramLM.random(4, 2n, 2)];
    // A fixed model of the same logits stands for what is taken as constant.
    for (const [from, fixed] of [
      [reference, reference],
      ['self', model.clone()],
    ] as const) {
      model.gradients.fill(0);
      const pass = await model.targetCrossEntropy({ from, shift }, batch);
      const loss = async (other: BigramLM) =>
        weighted((await other.targetCrossEntropy({ from: fixed, shift }, batch)).values);
      expect(weighted(pass.values)).toBeCloseTo(await loss(model), 6);
      await pass.backward(weights);
      expectClose(model.gradients, await differences(model, loss));
    }
  });

  it('accumulates what nll and backward do, and gives -log p', async () => {
    const [one, two] = [BigramLM.random(4, 1n), BigramLM.random(4, 1n)];
    const pass = await one.nll(batch);
    await pass.backward(weights);
    const values = await two.accumulate(batch, weights);
    expect(two.gradients).toEqual(one.gradients);
    expect(values).toEqual(pass.values);
    expect((await two.score(batch)).logProbability).toEqual(values.map((value) => -value));
  });

  it('samples labels by their probability, the same for the same seed', async () => {
    const model = BigramLM.of(2, [0, Math.log(3), 0, 0]);
    const many = TokenBatch.of([{ tokens: new Array(4001).fill(0), labelsFrom: 1 }]);
    const labels = async (seed: bigint) =>
      model.accumulate(many, new Float32Array(4000), { labels: { sampledWith: seed } });
    const drawn = await labels(5n);
    expect(drawn).toEqual(await labels(5n));
    const share = drawn.filter((value) => Math.exp(-value) > 0.5).length / 4000;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.03);
  });

  it('continues prompts with the likeliest token up to the stop token', async () => {
    const model = BigramLM.of(3, [0, 5, 0, 0, 0, 5, 5, 0, 0]);
    await expect(model.generate([[0], [2, 1]], { maxNewTokens: 4 })).resolves.toEqual([
      [1, 2, 0, 1],
      [2, 0, 1, 2],
    ]);
    await expect(model.generate([[0]], { maxNewTokens: 4, stopTokens: [2] })).resolves.toEqual([[1]]);
  });
});
