/**
 * A config.json of a few weights for each family, with every key that the family reads.
 *
 * @module
 */

const sizes = {
  vocab_size: 10,
  hidden_size: 8,
  intermediate_size: 6,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 16,
  initializer_range: 0.02,
};
const grouped = { num_key_value_heads: 1, head_dim: 4, rms_norm_eps: 1e-5, hidden_act: 'silu' };
const gemma = { ...sizes, num_key_value_heads: 1, head_dim: 4, rms_norm_eps: 1e-6, attention_bias: false };
const layerTypes = ['sliding_attention', 'full_attention'];
const llama3 = {
  ...{ rope_type: 'llama3', factor: 8, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 32 },
};

export const familyConfigs: readonly Readonly<Record<string, unknown>>[] = [
  {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    ...sizes,
    ...grouped,
    rope_theta: 10_000,
    rope_scaling: llama3,
    ...{ tie_word_embeddings: false, attention_bias: true, mlp_bias: true, quantization_config: null },
  },
  {
    model_type: 'llama',
    ...sizes,
    rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 500_000 },
    partial_rotary_factor: 1,
    tie_word_embeddings: true,
    eos_token_id: [1, 2],
  },
  { architectures: ['MistralForCausalLM'], model_type: 'mistral', ...sizes, ...grouped, sliding_window: 4 },
  {
    ...{ model_type: 'qwen2', ...sizes, ...grouped, use_sliding_window: true, sliding_window: 4 },
    ...{ max_window_layers: 1, rope_theta: 1e6 },
  },
  {
    model_type: 'qwen3',
    ...sizes,
    ...grouped,
    attention_bias: true,
    layer_types: ['full_attention', 'full_attention'],
  },
  {
    ...{ architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', vocab_size: 10, n_embd: 8, n_head: 2, n_layer: 2 },
    ...{ n_inner: null, n_positions: 16, layer_norm_epsilon: 1e-5, activation_function: 'gelu_new' },
    ...{ scale_attn_weights: true, scale_attn_by_inverse_layer_idx: true, add_cross_attention: false },
  },
  {
    ...{ model_type: 'gpt_neox', ...sizes, rotary_pct: 0.5, rotary_emb_base: 10_000, use_parallel_residual: true },
    ...{ layer_norm_eps: 1e-5, attention_bias: true, hidden_act: 'gelu', tie_word_embeddings: false },
  },
  {
    ...{ model_type: 'opt', ...sizes, ffn_dim: 6, word_embed_proj_dim: 8, do_layer_norm_before: true, init_std: 0.02 },
    ...{ _remove_final_layer_norm: false, layer_norm_elementwise_affine: true, enable_bias: true },
    activation_function: 'relu',
  },
  { model_type: 'phi', ...sizes, partial_rotary_factor: 0.5, qk_layernorm: false, layer_norm_eps: 1e-5 },
  { model_type: 'phi3', ...sizes, ...grouped, sliding_window: 4, partial_rotary_factor: 0.5, rope_scaling: null },
  { model_type: 'gemma', ...gemma, hidden_activation: null, hidden_act: 'gelu', use_bidirectional_attention: false },
  {
    ...{ model_type: 'gemma2', ...gemma, query_pre_attn_scalar: 4, sliding_window: 4, layer_types: layerTypes },
    ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30, hidden_activation: 'gelu_pytorch_tanh' },
  },
  {
    ...{ model_type: 'gemma3_text', ...gemma, query_pre_attn_scalar: 4, sliding_window: 4, sliding_window_pattern: 2 },
    rope_parameters: {
      full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 },
      sliding_attention: { rope_type: 'default', rope_theta: 1e4 },
    },
    ...{ final_logit_softcapping: null, rope_local_base_freq: 10_000, attn_logit_softcapping: null },
  },
];
