/**
 * The weights of a Llama model: names as in its file, shapes, and where they lie in the flat buffers.
 *
 * @module
 */

import type { LlamaConfig } from './config.ts';
import { ParameterLayout } from './parameter-layout.ts';

/** The layout of a LlamaForCausalLM; a tied model has no `lm_head.weight`. */
export function llamaLayout(config: LlamaConfig): ParameterLayout {
  const { vocabularySize, hiddenSize, intermediateSize, heads, keyValueHeads, headSize } = config;
  const parameters: { name: string; shape: number[]; group: 'embedding' | 'matrix' | 'vector' }[] = [];
  const vector = (name: string, size: number) => parameters.push({ name, shape: [size], group: 'vector' });
  const projection = (name: string, out: number, into: number, bias: boolean) => {
    parameters.push({ name: `${name}.weight`, shape: [out, into], group: 'matrix' });
    if (bias) vector(`${name}.bias`, out);
  };

  parameters.push({ name: 'model.embed_tokens.weight', shape: [vocabularySize, hiddenSize], group: 'embedding' });
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    vector(`${layer}.input_layernorm.weight`, hiddenSize);
    projection(`${layer}.self_attn.q_proj`, heads * headSize, hiddenSize, config.attentionBias);
    projection(`${layer}.self_attn.k_proj`, keyValueHeads * headSize, hiddenSize, config.attentionBias);
    projection(`${layer}.self_attn.v_proj`, keyValueHeads * headSize, hiddenSize, config.attentionBias);
    projection(`${layer}.self_attn.o_proj`, hiddenSize, heads * headSize, config.attentionBias);
    vector(`${layer}.post_attention_layernorm.weight`, hiddenSize);
    projection(`${layer}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias);
    projection(`${layer}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias);
    projection(`${layer}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias);
  }
  vector('model.norm.weight', hiddenSize);
  if (!config.tiedEmbeddings) projection('lm_head', vocabularySize, hiddenSize, false);
  return ParameterLayout.of(parameters);
}
