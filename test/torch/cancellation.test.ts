import { expect, test } from '@jest/globals';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';

const config = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 100_000,
};
const batch = TokenBatch.of([{ tokens: [1, 4, 9, 3, 3], labelsFrom: 2 }]);
const weights = new Float32Array(batch.labelCount).fill(1);

describeWithEngine('calls that are cancelled while they run', () => {
  test('end with the reason of their signal, and the model goes on', async () => {
    const model = await TorchLM.create(config, 1n);
    const reason = new Error('enough');
    const controller = new AbortController();
    const { signal } = controller;
    const pass = await model.nll(batch);
    const before = Array.from(pass.values);
    const target = { layer: 1, toward: new Float32Array(8) };
    const distances = await model.activationDistance(target, batch);
    // So many tokens that it is still at work when the signal fires; the others wait behind it.
    const calls = [
      model.generate([[1]], { maxNewTokens: 90_000, signal }),
      model.nll(batch, { signal }),
      model.klTo(model, batch, { signal }),
      model.accumulate(batch, weights, { signal }),
      model.score(batch, { signal }),
      pass.backward(weights, { signal }),
      model.activationDistance(target, batch, { signal }),
      distances.backward(weights, { signal }),
    ];
    controller.abort(reason);
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'SOUL_CANCELLED', cause: reason } });
    }
    expect(model.parameters.gradients.array.every((value) => value === 0)).toBe(true);
    const after = await model.nll(batch, { signal: new AbortController().signal });
    expect(Array.from(after.values)).toEqual(before);
    after.release();
    model.release();
  });
});
