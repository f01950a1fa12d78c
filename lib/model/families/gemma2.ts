/**
 * Gemma 2 (Gemma Team 2024, arXiv 2408.00118): Gemma with norms after attention and MLP too, capped scores and logits, and a
 * window over the tokens before in every other layer.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/gemma2
 * @module
 */

import type { ConfigReader } from '../config-reader.ts';
import type { DecoderConfig } from '../decoder-config.ts';
import type { Family, FamilyConfig } from './family.ts';
import { readGemmaLike } from './gemma.ts';

export const gemma2: Family = {
  modelType: 'gemma2',
  architecture: 'Gemma2ForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read(config) {
    const windowed = config.windowed(config.layers('num_hidden_layers'), (layer) => layer % 2 === 0);
    return {
      ...readGemma2Like(config, windowed, 8192),
      ...softcap(config, 'attentionSoftcap', 'attn_logit_softcapping', 50),
      ...softcap(config, 'logitSoftcap', 'final_logit_softcapping', 30),
    };
  },
};

/** What Gemma 2 and 3 have in common. */
export function readGemma2Like(config: ConfigReader, windowed: readonly boolean[], maxPositions: number): FamilyConfig {
  const none = config.source.sliding_window === null;
  const window = none ? {} : { window: { size: config.size('sliding_window', 4096), layers: windowed } };
  if (none && windowed.includes(true)) config.fail('sliding_window', 'a positive integer', null);
  const read = readGemmaLike(config, { keyValueHeads: 4, headSize: 256, maxPositions, ...window });
  const scale = config.positive('query_pre_attn_scalar', 256) ** -0.5;
  return {
    ...read,
    activation: config.activation('hidden_activation', 'gelu_pytorch_tanh'),
    attention: read.attention.map((layer) => ({ ...layer, scale })),
    names: {
      ...read.names,
      attentionPostNorm: 'post_attention_layernorm',
      mlpNorm: 'pre_feedforward_layernorm',
      mlpPostNorm: 'post_feedforward_layernorm',
    },
  };
}

/** A cap, which null switches off. */
export function softcap(
  config: ConfigReader,
  name: 'attentionSoftcap' | 'logitSoftcap',
  key: string,
  fallback?: number,
): Pick<DecoderConfig, 'attentionSoftcap' | 'logitSoftcap'> {
  if (config.source[key] === null || (config.get(key) ?? fallback) === undefined) return {};
  return { [name]: config.positive(key, fallback) };
}
