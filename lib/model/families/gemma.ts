/**
 * Gemma (Gemma Team 2024, arXiv 2403.08295): Llama with 1 + w in its norms, scaled embeddings and a GELU, tied.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/gemma
 * @module
 */

import type { ConfigReader } from '../config-reader.ts';
import type { Activation } from '../decoder-config.ts';
import type { Family, FamilyConfig } from './family.ts';
import { type LlamaLike, readLlamaLike } from './llama.ts';

export const gemma: Family = {
  modelType: 'gemma',
  architecture: 'GemmaForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read: (config) => ({
    ...readGemmaLike(config, { keyValueHeads: 16, headSize: 256, maxPositions: 8192 }),
    activation: gemmaActivation(config),
  }),
};

/** What all Gemmas have. */
export function readGemmaLike(config: ConfigReader, departures: LlamaLike): FamilyConfig {
  config.refuseUnless('use_bidirectional_attention', false);
  const read = readLlamaLike(config, { attentionBias: config.flag('attention_bias'), tied: true, ...departures });
  return {
    ...read,
    norm: { kind: 'rms+1', epsilon: read.norm.epsilon },
    embeddingScale: read.hiddenSize ** 0.5,
  };
}

/** Files of the first release say `gelu` where they mean its approximation; transformers does not read `hidden_activation`. */
function gemmaActivation(config: ConfigReader): Activation {
  const named = config.activation('hidden_act', 'gelu_pytorch_tanh');
  return named === 'gelu' ? 'gelu_tanh' : named;
}
