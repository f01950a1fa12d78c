/**
 * Llama (Touvron et al. 2023, arXiv 2302.13971; grouped queries and scaled angles since Llama 2 and 3.1); SmolLM2, TinyLlama.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/llama
 * @module
 */

import type { ConfigReader } from '../config-reader.ts';
import type { DecoderConfig, DecoderNames } from '../decoder-config.ts';
import { type Rope, readRope, writtenRope } from '../rope.ts';
import type { Family, FamilyConfig } from './family.ts';

export const llama: Family = {
  modelType: 'llama',
  architecture: 'LlamaForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read: (config) =>
    readLlamaLike(config, { attentionBias: config.flag('attention_bias'), mlpBias: config.flag('mlp_bias') }),
};

/** Where a family departs from Llama; defaults are those of its class in transformers. */
export interface LlamaLike {
  /** Of queries, keys and values, and, unless `outputBias` says otherwise, of attention's output. */
  readonly attentionBias?: boolean;
  readonly outputBias?: boolean;
  readonly mlpBias?: boolean;
  readonly tied?: boolean;
  readonly keyValueHeads?: number;
  readonly headSize?: number;
  readonly maxPositions?: number;
  /** Whether layer i sees a window alone. */
  readonly window?: { readonly size: number; readonly layers: readonly boolean[] };
}

/** RMS norms, rotary embeddings, grouped queries and a gated MLP under Llama's names. */
export function readLlamaLike(config: ConfigReader, departures: LlamaLike = {}): FamilyConfig {
  const { attentionBias = false, outputBias = attentionBias, mlpBias = false, tied = false, window } = departures;
  const heads = readHeads(config, departures);
  const layers = config.layers('num_hidden_layers');
  const maxPositions = config.size('max_position_embeddings', departures.maxPositions ?? 2048);
  const rope = readRope(config, { headSize: heads.headSize, maxPositions });
  return {
    ...heads,
    vocabularySize: config.size('vocab_size'),
    hiddenSize: config.size('hidden_size'),
    intermediateSize: config.size('intermediate_size'),
    layers,
    maxPositions,
    norm: { kind: 'rms', epsilon: config.positive('rms_norm_eps', 1e-6) },
    activation: config.activation('hidden_act', 'silu'),
    gated: true,
    parallel: false,
    ropes: [rope],
    positionOffset: 0,
    attention: Array.from({ length: layers }, (_, i) => ({
      rope: 0,
      scale: heads.headSize ** -0.5,
      ...(window?.layers[i] ? { window: window.size } : {}),
    })),
    embeddingScale: 1,
    tiedEmbeddings: config.flag('tie_word_embeddings', tied),
    initializerRange: config.positive('initializer_range', 0.02),
    names: llamaNames({ attentionBias, outputBias, mlpBias }),
    written: writtenHeads(config, heads, rope),
  };
}

type Heads = Pick<DecoderConfig, 'heads' | 'keyValueHeads' | 'headSize'>;

/** Numbers of heads, which must agree, and the size of one. */
export function readHeads(
  config: ConfigReader,
  defaults: { readonly keyValueHeads?: number; readonly headSize?: number } = {},
): Heads {
  const heads = config.size('num_attention_heads');
  const keyValueHeads = config.size('num_key_value_heads', defaults.keyValueHeads ?? heads);
  if (heads % keyValueHeads !== 0) {
    config.fail('num_key_value_heads', `a divisor of the ${heads} attention heads`, keyValueHeads);
  }
  const headSize = config.size('head_dim', defaults.headSize ?? Math.floor(config.size('hidden_size') / heads));
  return { heads, keyValueHeads, headSize };
}

/** What versions of transformers do not agree on. */
function writtenHeads(config: ConfigReader, { keyValueHeads, headSize }: Heads, rope: Rope): Record<string, unknown> {
  return { num_key_value_heads: keyValueHeads, head_dim: headSize, ...writtenRope(config, rope) };
}

function llamaNames(bias: { attentionBias?: boolean; outputBias?: boolean; mlpBias?: boolean }): DecoderNames {
  const projection = (name: string, has = false) => ({ name, bias: has });
  return {
    prefix: 'model.',
    embedding: 'embed_tokens',
    finalNorm: 'norm',
    head: { name: 'lm_head' },
    layer: 'layers.{i}.',
    attentionNorm: 'input_layernorm',
    attentionInput: ['q_proj', 'k_proj', 'v_proj'].map((name) => projection(`self_attn.${name}`, bias.attentionBias)),
    attentionOutput: projection('self_attn.o_proj', bias.outputBias),
    mlpNorm: 'post_attention_layernorm',
    mlpInput: [projection('mlp.gate_proj', bias.mlpBias), projection('mlp.up_proj', bias.mlpBias)],
    mlpOutput: projection('mlp.down_proj', bias.mlpBias),
  };
}
