/**
 * Phi-1, 1.5 and 2 (Gunasekar et al. 2023, arXiv 2306.11644; Li et al. 2023, arXiv 2309.05463): layer norms, biases throughout, a part
 * of each head turned, attention and MLP beside each other on one norm.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/phi
 * @module
 */

import { readRope, writtenRope } from '../rope.ts';
import type { Family } from './family.ts';
import { readHeads } from './llama.ts';

export const phi: Family = {
  modelType: 'phi',
  architecture: 'PhiForCausalLM',
  loraTargets: ['q_proj', 'v_proj', 'fc1', 'fc2'],
  read(config) {
    config.refuseUnless('qk_layernorm', false);
    const heads = readHeads(config);
    const layers = config.layers('num_hidden_layers');
    const maxPositions = config.size('max_position_embeddings', 2048);
    const share = { key: 'partial_rotary_factor', fallback: 0.5 };
    const rope = readRope(config, { headSize: heads.headSize, maxPositions, share });
    const projection = (name: string) => ({ name, bias: true });
    return {
      ...heads,
      vocabularySize: config.size('vocab_size'),
      hiddenSize: config.size('hidden_size'),
      intermediateSize: config.size('intermediate_size'),
      layers,
      maxPositions,
      norm: { kind: 'layer', epsilon: config.positive('layer_norm_eps', 1e-5) },
      activation: config.activation('hidden_act', 'gelu_new'),
      gated: false,
      parallel: true,
      ropes: [rope],
      positionOffset: 0,
      attention: Array.from({ length: layers }, () => ({ rope: 0, scale: heads.headSize ** -0.5 })),
      embeddingScale: 1,
      tiedEmbeddings: config.flag('tie_word_embeddings'),
      initializerRange: config.positive('initializer_range', 0.02),
      names: {
        prefix: 'model.',
        embedding: 'embed_tokens',
        finalNorm: 'final_layernorm',
        head: projection('lm_head'),
        layer: 'layers.{i}.',
        attentionNorm: 'input_layernorm',
        attentionInput: ['q_proj', 'k_proj', 'v_proj'].map((name) => projection(`self_attn.${name}`)),
        attentionOutput: projection('self_attn.dense'),
        mlpInput: [projection('mlp.fc1')],
        mlpOutput: projection('mlp.fc2'),
      },
      written: {
        num_key_value_heads: heads.keyValueHeads,
        ...writtenRope(config, rope, { share: { key: share.key, value: rope.turned / heads.headSize } }),
      },
    };
  },
};
