/**
 * Gemma 3 (Gemma Team 2025, arXiv 2503.19786), its text models: Gemma 2 with norms over each head of queries and keys in place of
 * caps, and a rotary embedding of its own for the layers that see a window.
 *
 * @see https://huggingface.co/docs/transformers/model_doc/gemma3
 * @module
 */

import { shortName } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type Rope, type RopeKeys, ropeOf, typedEntries, writtenScaling } from '../rope.ts';
import type { Family } from './family.ts';
import { readGemma2Like, softcap } from './gemma2.ts';

export const gemma3: Family = {
  modelType: 'gemma3_text',
  architecture: 'Gemma3ForCausalLM',
  loraTargets: ['q_proj', 'v_proj'],
  read(config) {
    // transformers reads it and does not use it.
    config.refuseUnless('attn_logit_softcapping');
    const pattern = config.size('sliding_window_pattern', 6);
    const windowed = config.windowed(config.layers('num_hidden_layers'), (layer) => (layer + 1) % pattern !== 0);
    const read = readGemma2Like(withoutRope(config), windowed, 131_072);
    const { full, sliding } = readRopes(config, { headSize: read.headSize, maxPositions: read.maxPositions });
    return {
      ...read,
      ...softcap(config, 'logitSoftcap', 'final_logit_softcapping'),
      ropes: [full, sliding],
      attention: read.attention.map((layer, i) => ({ ...layer, rope: windowed[i] ? 1 : 0 })),
      names: { ...read.names, queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' },
      written: {
        ...read.written,
        rope_theta: full.theta,
        rope_local_base_freq: sliding.theta,
        rope_scaling:
          config.get('rope_scaling') ?? (full.scaling.type === 'default' ? null : writtenScaling(full.scaling)),
        rope_parameters: {
          full_attention: { rope_theta: full.theta, ...writtenScaling(full.scaling) },
          sliding_attention: { rope_theta: sliding.theta, ...writtenScaling(sliding.scaling) },
        },
      },
    };
  },
};

/** One for each kind of layer: `rope_parameters` by their names, or the keys of transformers 4; `rope_scaling` is of full layers. */
function readRopes(config: ConfigReader, keys: RopeKeys): { full: Rope; sliding: Rope } {
  const parameters = config.object('rope_parameters');
  const entries = (kind: string) => {
    const given = parameters[kind] ?? {};
    if (!isObject(given)) return config.fail(`rope_parameters.${kind}`, 'an object', given);
    return typedEntries(config, `rope_parameters.${kind}`, given);
  };
  const flat = Object.keys(parameters).find((key) => key !== 'full_attention' && key !== 'sliding_attention');
  if (flat !== undefined) {
    throw config.unsupported(
      `rope_parameters.${shortName(flat)}`,
      parameters[flat],
      'full_attention and sliding_attention',
    );
  }
  const scaling = typedEntries(config, 'rope_scaling', config.object('rope_scaling'));
  return {
    full: ropeOf(config, { ...entries('full_attention'), ...scaling }, { ...keys, theta: 1_000_000 }),
    sliding: ropeOf(config, entries('sliding_attention'), { ...keys, thetaKey: 'rope_local_base_freq' }),
  };
}

/** Gemma 2 would read them its own way. */
function withoutRope(config: ConfigReader): ConfigReader {
  return config.without('rope_parameters', 'rope_scaling', 'rope_theta');
}
