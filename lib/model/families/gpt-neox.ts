/**
 * GPT-NeoX (Black et al. 2022, arXiv 2204.06745) and Pythia (Biderman et al. 2023, arXiv 2304.01373): layer norms, biases, a part of
 * each head turned, queries, keys and values head by head in one matrix, attention and MLP beside each other on a norm each.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/gpt_neox
 * @module
 */

import { readRope, writtenRope } from '../rope.ts';
import type { Family } from './family.ts';

export const gptNeoX: Family = {
  modelType: 'gpt_neox',
  architecture: 'GPTNeoXForCausalLM',
  loraTargets: ['query_key_value'],
  read(config) {
    const hiddenSize = config.size('hidden_size');
    const heads = config.size('num_attention_heads');
    if (hiddenSize % heads !== 0) config.fail('num_attention_heads', `a divisor of hidden_size, ${hiddenSize}`, heads);
    const headSize = hiddenSize / heads;
    const layers = config.layers('num_hidden_layers');
    const maxPositions = config.size('max_position_embeddings', 2048);
    const keys = { thetaKey: 'rotary_emb_base', share: { key: 'rotary_pct', fallback: 0.25 } };
    const rope = readRope(config, { headSize, maxPositions, ...keys });
    const attentionBias = config.flag('attention_bias', true);
    return {
      vocabularySize: config.size('vocab_size'),
      hiddenSize,
      intermediateSize: config.size('intermediate_size'),
      layers,
      heads,
      keyValueHeads: heads,
      headSize,
      maxPositions,
      norm: { kind: 'layer', epsilon: config.positive('layer_norm_eps', 1e-5) },
      activation: config.activation('hidden_act', 'gelu'),
      gated: false,
      parallel: config.flag('use_parallel_residual', true),
      ropes: [rope],
      positionOffset: 0,
      attention: Array.from({ length: layers }, () => ({ rope: 0, scale: headSize ** -0.5 })),
      embeddingScale: 1,
      tiedEmbeddings: config.flag('tie_word_embeddings'),
      initializerRange: config.positive('initializer_range', 0.02),
      names: {
        prefix: 'gpt_neox.',
        embedding: 'embed_in',
        finalNorm: 'final_layer_norm',
        head: { name: 'embed_out' },
        layer: 'layers.{i}.',
        attentionNorm: 'input_layernorm',
        attentionInput: [{ name: 'attention.query_key_value', bias: attentionBias, interleaved: true }],
        attentionOutput: { name: 'attention.dense', bias: attentionBias },
        mlpNorm: 'post_attention_layernorm',
        mlpInput: [{ name: 'mlp.dense_h_to_4h', bias: true }],
        mlpOutput: { name: 'mlp.dense_4h_to_h', bias: true },
        computed: /\.attention\.(masked_)?bias$/,
      },
      written: writtenRope(config, rope, {
        thetaKey: keys.thetaKey,
        share: { key: keys.share.key, value: rope.turned / headSize },
      }),
    };
  },
};
