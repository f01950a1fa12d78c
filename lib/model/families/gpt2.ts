/**
 * GPT-2 (Radford et al. 2019): learned positions, layer norms, biases, queries, keys and values in one matrix, weights stored as
 * [in, out], tied.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/gpt2
 * @module
 */

import type { Family } from './family.ts';

export const gpt2: Family = {
  modelType: 'gpt2',
  architecture: 'GPT2LMHeadModel',
  loraTargets: ['c_attn'],
  read(config) {
    config.refuseUnless('add_cross_attention', false);
    const hiddenSize = config.size('n_embd', 768);
    const heads = config.size('n_head', 12);
    if (hiddenSize % heads !== 0) config.fail('n_head', `a divisor of n_embd, ${hiddenSize}`, heads);
    const headSize = hiddenSize / heads;
    const layers = config.layers('n_layer', 12);
    const scale = config.flag('scale_attn_weights', true) ? headSize ** -0.5 : 1;
    const byLayer = config.flag('scale_attn_by_inverse_layer_idx');
    const projection = (name: string) => ({ name, bias: true, transposed: true });
    return {
      vocabularySize: config.size('vocab_size', 50_257),
      hiddenSize,
      intermediateSize: config.size('n_inner', 4 * hiddenSize),
      layers,
      heads,
      keyValueHeads: heads,
      headSize,
      maxPositions: config.size('n_positions', 1024),
      norm: { kind: 'layer', epsilon: config.positive('layer_norm_epsilon', 1e-5) },
      activation: config.activation('activation_function', 'gelu_new'),
      gated: false,
      parallel: false,
      ropes: [],
      positionOffset: 0,
      attention: Array.from({ length: layers }, (_, i) => ({ scale: byLayer ? scale / (i + 1) : scale })),
      embeddingScale: 1,
      tiedEmbeddings: config.flag('tie_word_embeddings', true),
      initializerRange: config.positive('initializer_range', 0.02),
      names: {
        prefix: 'transformer.',
        embedding: 'wte',
        positions: 'wpe',
        finalNorm: 'ln_f',
        head: { name: 'lm_head' },
        layer: 'h.{i}.',
        attentionNorm: 'ln_1',
        attentionInput: [projection('attn.c_attn')],
        attentionOutput: projection('attn.c_proj'),
        mlpNorm: 'ln_2',
        mlpInput: [projection('mlp.c_fc')],
        mlpOutput: projection('mlp.c_proj'),
        computed: /\.attn\.(masked_)?bias$/,
      },
    };
  },
};
