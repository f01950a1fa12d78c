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
const batch = { rows: 100, labels: 40, longest: 30 };

describe('the memory of a pass', () => {
  test('of a Llama, counted by hand', () => {
    // Input and its norm; 4 + 2 + 2 heads of 16; attention's result; the norm's scale and 4 log-sum-exps in float32.
    const attention = 4 * (2 * 64 + 8 * 16 + 64) + 4 * 5;
    // The sum and its norm, gate and up; the norm's scale.
    const mlp = 4 * (2 * 64 + 2 * 160) + 4;
    const finals = 2 * 40 * 64 * 4;
    const all = 3 * 100 * attention + (2 * 100 + 40) * mlp + finals;
    const { activations, work } = passMemory(llama, batch, { device: 'cpu', dtype: 'f32' });
    expect(activations).toBe(all);
    // 40 rows of logits are less than a layer's work.
    expect(work).toBe(Math.max(40 * 1000 * 4, 100 * (Math.max(9 * 64 + 2 * 32, 4 * 160) + 3 * 64) * 4));
    const again = passMemory(llama, batch, { device: 'cpu', dtype: 'f32', checkpointActivations: true });
    expect(again.activations).toBe(2 * 100 * 64 * 4 + 100 * (attention + mlp) + finals);
  });

  test('of logits no more than they may take, but a row at least', () => {
    const options = { device: 'cpu', dtype: 'f32' } as const;
    const many = { rows: 10, labels: 100_000, longest: 10 };
    expect(passMemory(llama, many, { ...options, logitsMemory: 4 * 1000 * 50 }).work).toBe(4 * 1000 * 50);
    expect(
      passMemory({ ...llama, logitSoftcap: 30 }, many, { ...options, logitsMemory: 1 }).work,
    ).toBeGreaterThanOrEqual(2 * 4 * 1000);
  });

  test('grows with what a family has beside', () => {
    const options = { device: 'cpu', dtype: 'f32' } as const;
    const base = passMemory(llama, batch, options).activations;
    const names = { ...llama.names, queryNorm: 'q', keyNorm: 'k' };
    expect(passMemory({ ...llama, names }, batch, options).activations - base).toBe(3 * 100 * 4 * 2 * (4 + 2) * 16);
    const capped = passMemory({ ...llama, attentionSoftcap: 50 }, batch, options).activations;
    expect(capped - base).toBe(3 * 100 * (4 * (2 * 64 - 2 * 32) + 4 * 30 * 8));
  });
});
