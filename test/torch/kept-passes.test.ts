import { expect, test } from '@jest/globals';
import type { SoulError } from '../../lib/core/errors.ts';
import { type LoadOptions, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';

const shape = {
  ...{ vocab_size: 13, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 3, num_attention_heads: 2 },
  ...{ num_key_value_heads: 1, max_position_embeddings: 16, initializer_range: 0.5 },
};
const configs: Record<string, object> = {
  llama: { model_type: 'llama', tie_word_embeddings: true, ...shape },
  // Capped logits and scores, norms after each half of a layer, attention of libtorch's own operations.
  gemma2: {
    ...{ model_type: 'gemma2', head_dim: 8, query_pre_attn_scalar: 8, sliding_window: 3, ...shape },
    ...{ attn_logit_softcapping: 5, final_logit_softcapping: 3, hidden_activation: 'gelu_pytorch_tanh' },
  },
  gpt2: {
    ...{ model_type: 'gpt2', vocab_size: 13, n_embd: 16, n_layer: 3, n_head: 2, n_positions: 16, n_inner: 24 },
    initializer_range: 0.5,
  },
};
const batch = TokenBatch.of([
  { tokens: [1, 4, 9, 3, 3], labelsFrom: 2 },
  { tokens: [10, 0], labelsFrom: 1 },
  { tokens: [5, 6, 7, 8, 2, 1, 0], labelsFrom: 5 },
]);
const weights = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.75);
const even = new Float32Array(6).fill(1 / 6);
const labels = { sampledWith: 77n };

const bitsOf = ({ parameters: { gradients } }: TorchLM): Buffer => {
  const { buffer, byteOffset, byteLength } = gradients.array;
  return Buffer.from(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
};

const settings = Object.keys(configs).flatMap((family) =>
  (['f32', 'bf16'] as const).flatMap((dtype) =>
    [false, true].map((checkpointActivations): [string, string, LoadOptions] => {
      const again = checkpointActivations ? 'layers computed again' : 'the whole graph';
      return [`${family}, ${dtype}, ${again}`, family, { dtype, checkpointActivations }];
    }),
  ),
);

describeWithEngine('a pass that is kept', () => {
  test.each(settings)('gives what a pass for each way back gives, to the bit: %s', async (_, family, options) => {
    const model = await TorchLM.create(configs[family]!, 5n, options);
    const { gradients } = model.parameters;
    const expected: Buffer[] = [];
    await model.accumulate(batch, even, { labels });
    expected.push(bitsOf(model));
    for (const pulled of [weights, even]) {
      await gradients.fill(0);
      await (await model.nll(batch)).backward(pulled);
      expected.push(bitsOf(model));
    }
    expect(new Set(expected.map((bits) => bits.toString('hex'))).size).toBe(3);

    const pass = await model.nll(batch);
    const found: Buffer[] = [];
    for (const way of [
      () => pass.backward(even, { labels, keep: true }),
      () => pass.backward(weights, { keep: true }),
    ]) {
      await gradients.fill(0);
      await way();
      found.push(bitsOf(model));
    }
    await gradients.fill(0);
    await pass.backward(even);
    found.push(bitsOf(model));
    expect(found.map((bits, i) => Buffer.compare(bits, expected[i]!))).toEqual([0, 0, 0]);
    model.release();
  });

  test('is there until it is pulled back for the last time, or released', async () => {
    const model = await TorchLM.create(configs.llama!, 5n);
    const [spent, released] = [await model.nll(batch), await model.nll(batch)];
    for (const pass of [spent, released]) await pass.backward(weights, { keep: true });
    await spent.backward(weights);
    released.release();
    for (const pass of [spent, released]) {
      await expect(pass.backward(weights, { keep: true })).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    }
    model.release();
  });

  test('is as it was where a way back was cancelled or refused', async () => {
    const model = await TorchLM.create(configs.llama!, 5n);
    const pass = await model.nll(batch);
    const cancelled = pass.backward(weights, { keep: true, signal: AbortSignal.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    for (const [options, message] of [
      [{ labels: 'given' }, /labels must be \{ sampledWith: bigint \}/],
      [{ keep: 1 }, /keep must be true or false/],
      [{ kept: true }, /no option kept/],
    ] as const) {
      const refused = pass.backward(weights, options as never);
      await expect(refused).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', message });
    }
    await model.parameters.gradients.fill(0);
    await pass.backward(even, { labels });
    const found = bitsOf(model);
    await model.parameters.gradients.fill(0);
    await model.accumulate(batch, even, { labels });
    expect(Buffer.compare(found, bitsOf(model))).toBe(0);
    model.release();
  });

  test('of a divergence has no labels to draw, and is kept all the same', async () => {
    const [model, reference] = [await TorchLM.create(configs.llama!, 5n), await TorchLM.create(configs.llama!, 6n)];
    const pass = await model.klTo(reference, batch);
    const refused = await pass.backward(weights, { labels }).catch((error: SoulError) => error);
    expect(refused).toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', message: /of nll alone/ });
    await pass.backward(weights, { keep: true });
    const once = bitsOf(model);
    await model.parameters.gradients.fill(0);
    await pass.backward(weights);
    expect(Buffer.compare(bitsOf(model), once)).toBe(0);
    for (const each of [model, reference]) each.release();
  });
});
