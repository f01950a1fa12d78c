/**
 * Qwen3 (Yang et al. 2025, arXiv 2505.09388): Llama with norms over each head of queries and keys, and Qwen2's window.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/qwen3
 * @module
 */

import type { Family } from './family.ts';
import { readLlamaLike } from './llama.ts';
import { qwenWindow } from './qwen2.ts';

export const qwen3: Family = {
  modelType: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read(config) {
    const read = readLlamaLike(config, {
      attentionBias: config.flag('attention_bias'),
      headSize: 128,
      maxPositions: 32_768,
      ...qwenWindow(config),
    });
    return { ...read, names: { ...read.names, queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' } };
  },
};
