import { describe, expect, test } from '@jest/globals';
import { parseModelConfig } from '../../lib/model/index.ts';
import { passMemory } from '../../lib/torch/pass-memory.ts';

const llama = parseModelConfig({
  model_type: 'llama',
  vocab_size: 1000,
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
});
const batch = { rows: 100, labels: 40, lengths: [30, 30, 30, 10] };

describe('the memory of a pass', () => {
  test('of a Llama, counted by hand', () => {
    // Input and its norm; 4 + 2 + 2 heads of 16; attention's result; the norm's scale and 4 log-sum-exps in float32.
    const attention = 4 * (2 * 64 + 8 * 16 + 64) + 4 * 5;
    // The sum and its norm, gate and up; the norm's scale.
    const mlp = 4 * (2 * 64 + 2 * 160) + 4;
    const finals = 2 * 40 * 64 * 4;
    // While the last layer's attention is pulled back, the MLP's part is gone.
    const beforeLast = 2 * 100 * (attention + mlp);
    const output = 40 * 64 * 4;
    // 3 sequences stand in a block of 30, the short one in its own, which comes by itself.
    const attentionWork = 4 * (100 * (2 * 64 + 2 * 32 + 64) + 3 * 30 * 8 * 64 + 100 * 64);
    const { activations, work } = passMemory(llama, batch, { device: 'cpu', dtype: 'f32' });
    expect({ activations, work }).toEqual({
      activations: finals + beforeLast + 100 * attention + output,
      work: attentionWork,
    });
    const again = passMemory(llama, batch, { device: 'cpu', dtype: 'f32', checkpointActivations: true });
    // The layer before the last, whose MLP reads all rows: its graph, what it gave, and the input of the one before.
    expect(again).toEqual({
      activations: finals + 100 * (attention + mlp) + 2 * 100 * 64 * 4,
      work: 4 * 100 * (4 * 160 + 64),
    });
  });

  test('of a wide MLP its pull-back is the height', () => {
    const wide = { ...llama, intermediateSize: 1600 };
    const options = { device: 'cpu', dtype: 'f32', checkpointActivations: true } as const;
    expect(passMemory(wide, batch, options).work).toBe(4 * 100 * (4 * 1600 + 64));
    // Without a gate half of it.
    expect(passMemory({ ...wide, gated: false }, batch, options).work).toBe(4 * 100 * (2 * 1600 + 64));
  });

  test('of logits no more than they may take, but a row at least', () => {
    const options = { device: 'cpu', dtype: 'f32' } as const;
    const many = { rows: 10, labels: 100_000, lengths: [10] };
    expect(passMemory(llama, many, { ...options, logitsMemory: 4 * 1000 * 1e6 }).work).toBe(4 * 1000 * 100_000);
    const cut = 4 * 1000 * 90_000;
    expect(passMemory(llama, many, { ...options, logitsMemory: cut + 7 }).work).toBe(cut);
    const narrow = { ...llama, vocabularySize: 2 ** 20, logitSoftcap: 30 };
    const one = { rows: 1, labels: 1, lengths: [1] };
    expect(passMemory(narrow, one, { ...options, logitsMemory: 1 }).work).toBe(2 * 4 * 2 ** 20);
  });

  test('of hidden states is that of a model that ends there, without a head', () => {
    const options = { device: 'cpu', dtype: 'f32' } as const;
    for (const layer of [0, 1]) {
      const shorter = { ...llama, layers: layer + 1, vocabularySize: 1 };
      expect(passMemory(llama, { ...batch, hiddenLayer: () => layer }, options)).toEqual(
        passMemory(shorter, batch, options),
      );
    }
    expect(passMemory(llama, { ...batch, hiddenLayer: (layers) => layers }, options)).toEqual(
      passMemory({ ...llama, vocabularySize: 1 }, batch, options),
    );
  });

  test('grows with what a family has beside', () => {
    const options = { device: 'cpu', dtype: 'f32' } as const;
    const base = passMemory(llama, batch, options).activations;
    const names = { ...llama.names, queryNorm: 'q', keyNorm: 'k' };
    expect(passMemory({ ...llama, names }, batch, options).activations - base).toBe(3 * 100 * 4 * 2 * (4 + 2) * 16);
    const capped = passMemory({ ...llama, attentionSoftcap: 50 }, batch, options);
    // Scores of 3 sequences padded to 30 and of one of 10, in 4 heads; two masks.
    const scores = 4 * (3 * 30 ** 2 + 10 ** 2);
    const masks = 4 * (30 ** 2 + 10 ** 2);
    expect(capped.activations - base).toBe(3 * (100 * 4 * (2 * 64 - 2 * 32) + scores * 8) + masks);
    // Where padding is much, blocks are larger than their rows.
    const padded = { ...batch, lengths: [40, 20, 20, 20] };
    const more = passMemory({ ...llama, attentionSoftcap: 50 }, padded, options);
    expect(more.work - capped.work).toBe(60 * 8 * 64 * 4 + 2 * 4 * (4 * 4 * 40 ** 2 - scores));
  });
});
