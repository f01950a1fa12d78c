/**
 * OPT (Zhang et al. 2022, arXiv 2205.01068): learned positions that begin at the third row, layer norms, biases, tied. The forms with
 * norms after attention and MLP, or embeddings of another width (opt-350m), are not built.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/opt
 * @module
 */

import type { Family } from './family.ts';

export const opt: Family = {
  modelType: 'opt',
  architecture: 'OPTForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read(config) {
    config.refuseUnless('do_layer_norm_before', true);
    config.refuseUnless('_remove_final_layer_norm', false);
    config.refuseUnless('layer_norm_elementwise_affine', true);
    const hiddenSize = config.size('hidden_size', 768);
    config.refuseUnless('word_embed_proj_dim', hiddenSize);
    const heads = config.size('num_attention_heads', 12);
    if (hiddenSize % heads !== 0) config.fail('num_attention_heads', `a divisor of hidden_size, ${hiddenSize}`, heads);
    const headSize = hiddenSize / heads;
    const layers = config.layers('num_hidden_layers', 12);
    const bias = config.flag('enable_bias', true);
    const projection = (name: string) => ({ name, bias });
    return {
      vocabularySize: config.size('vocab_size', 50_272),
      hiddenSize,
      intermediateSize: config.size('ffn_dim', 3072),
      layers,
      heads,
      keyValueHeads: heads,
      headSize,
      maxPositions: config.size('max_position_embeddings', 2048),
      norm: { kind: 'layer', epsilon: 1e-5 },
      activation: config.activation('activation_function', 'relu'),
      gated: false,
      parallel: false,
      ropes: [],
      positionOffset: 2,
      attention: Array.from({ length: layers }, () => ({ scale: headSize ** -0.5 })),
      embeddingScale: 1,
      tiedEmbeddings: config.flag('tie_word_embeddings', true),
      initializerRange: config.positive('init_std', 0.02),
      names: {
        prefix: 'model.',
        embedding: 'decoder.embed_tokens',
        positions: 'decoder.embed_positions',
        finalNorm: 'decoder.final_layer_norm',
        head: { name: 'lm_head' },
        layer: 'decoder.layers.{i}.',
        attentionNorm: 'self_attn_layer_norm',
        attentionInput: ['q_proj', 'k_proj', 'v_proj'].map((name) => projection(`self_attn.${name}`)),
        attentionOutput: projection('self_attn.out_proj'),
        mlpNorm: 'final_layer_norm',
        mlpInput: [projection('fc1')],
        mlpOutput: projection('fc2'),
      },
    };
  },
};
