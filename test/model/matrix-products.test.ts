import { expect, test } from '@jest/globals';
import { adapterConfig } from '../../lib/model/adapter/adapter-config.ts';
import { parseModelConfig } from '../../lib/model/config.ts';
import { matrixProducts } from '../../lib/model/matrix-products.ts';

const llama = {
  ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: 50, hidden_size: 8, num_hidden_layers: 3 },
  ...{ intermediate_size: 20, num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 64 },
};
const batch = { rows: 7, labels: 4 };
// q and o of 8 x 8, k and v of 8 x 4, gate, up and down of 8 x 20.
const layer = 2 * 64 + 2 * 32 + 3 * 160;

test.each([true, false])('a weight is met once on the way in and twice on the way back (tied: %p)', (tied) => {
  const config = parseModelConfig({ ...llama, tie_word_embeddings: tied });
  const head = 4 * 50 * 8;
  expect(matrixProducts(config, batch)).toBe(3 * (7 * 3 * layer + head));
  expect(matrixProducts(config, batch, { checkpointActivations: true })).toBe(4 * 7 * 3 * layer + 3 * head);
});

test('frozen weights have no gradient of their own; those of adapters are met again', () => {
  const config = parseModelConfig(llama);
  const frozen = 2 * (7 * 3 * layer + 4 * 50 * 8);
  const lora = adapterConfig({ kind: 'lora', rank: 2, targets: ['q_proj', 'down_proj'] }, config);
  // A of 2 x 8 and 2 x 20, B of 8 x 2 each; two more products, for what is not kept.
  const factors = 16 + 40 + 16 + 16;
  expect(matrixProducts(config, batch, { adapter: lora })).toBe(frozen + 4 * 7 * 3 * factors);
  const layers = adapterConfig({ kind: 'unlearning-layers', bottleneck: 5 }, config);
  expect(matrixProducts(config, batch, { adapter: layers })).toBe(frozen + 3 * 7 * 3 * 80);
  const again = { adapter: layers, checkpointActivations: true };
  expect(matrixProducts(config, batch, again)).toBe(frozen + 7 * 3 * layer + 4 * 7 * 3 * 80);
});
