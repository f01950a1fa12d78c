/**
 * config.json of a model.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLlamaConfig } from '../../../lib/model/config.ts';
import { llamaLayout } from '../../../lib/model/llama-layout.ts';
import { readModelLimits } from '../../../lib/model/model-limits.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';

const bases: readonly Record<string, unknown>[] = [
  {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: 100,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 2,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    rope_scaling: {
      ...{ factor: 8, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 32 },
      rope_type: 'llama3',
    },
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
    hidden_act: 'silu',
    initializer_range: 0.02,
    quantization_config: null,
  },
  {
    model_type: 'llama',
    vocab_size: 10,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 500_000 },
    partial_rotary_factor: 1,
    eos_token_id: [1, 2],
  },
];

/** All that is known of the module under test: reads the folder's config.json, and lays its weights out. */
export async function weightsOf(folder: string): Promise<number> {
  return llamaLayout(await readLlamaConfig(folder)).parameterCount;
}

export const configs: HostileKind = {
  name: 'configs',
  async prepare(folder) {
    return async (draw) => {
      writeFileSync(join(folder, 'config.json'), hostileJson(structuredClone(draw.of(bases)), draw));
      await readModelLimits(folder);
      const weights = await weightsOf(folder);
      holds(weights > 0 && Number.isSafeInteger(weights), `${weights} weights`);
    };
  },
};
